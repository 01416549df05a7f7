//! What a notice says, in the operator's language: what happened, since when, what it means, what the relay does by
//! itself, how to mend it, and where to look. Pure.
//!
//! Names, codes and the words of the contract stay as they are in every language; the hints are those of the table of
//! codes. Whatever is not ours is escaped: it is markdown that somebody reads at night on a phone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

use crate::dingtalk::codes;
use crate::model::delivery::State;
use crate::model::language::Language;
use crate::model::spoken;
use crate::model::view::{BlockView, Fullness};
use crate::operator::notices::finding::{NEARLY, Trouble, Waiting};
use crate::render::outside::{clipped, escaped, one_line};
use crate::store::notices::Toll;

/// A list of receivers, and a text from outside, are no longer than this: the rest is on the page.
const MOST_NAMES: usize = 8;
const LONGEST: usize = 300;

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wording {
    /// The push banner: plain text.
    pub(super) title: String,
    /// Markdown.
    pub(super) text: String,
}

/// How it is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice<'v> {
    /// In which language.
    pub(super) language: Language,
    /// In which time zone.
    pub(super) zone: &'v TimeZone,
    /// Where the page is.
    pub(super) page: Option<&'v Url>,
}

impl Voice<'_> {
    /// A trouble that has begun.
    pub(super) fn trouble(self, trouble: &Trouble, since: Timestamp) -> Wording {
        let (title, lines) = match trouble {
            Trouble::AppBlocked { app, block, waiting } => (
                self.say(format!("App {app} is blocked"), format!("应用 {app} 已被阻塞（blocked）")),
                vec![self.waiting(waiting), self.block(block), self.probe(block)],
            ),
            Trouble::AppDown { app, block, waiting } => (
                self.say(format!("App {app} is down"), format!("应用 {app} 连不上钉钉（down）")),
                vec![self.waiting(waiting), self.block(block), self.probe(block)],
            ),
            Trouble::LaneBlocked { block, waiting, fallback } => {
                let names = waiting.receivers.join(spoken::comma(self.language));
                let fallback = self.fallback(fallback.as_deref());
                (
                    self.say(format!("{names} is blocked"), format!("{names} 已被阻塞（blocked）")),
                    vec![self.waiting(waiting), self.block(block), self.probe(block), fallback],
                )
            }
            Trouble::NotConfigured { receiver, block, waiting } => (
                self.say(format!("{receiver} is not configured any more"), format!("接收者 {receiver} 已不在配置中")),
                vec![self.waiting(waiting), self.block(block)],
            ),
            Trouble::NearlyUsedUp { organisation, calls, limit, projected, kept } => (
                self.say(
                    format!("{organisation} has used {NEARLY} % of its month"),
                    format!("组织 {organisation} 本月调用量已用 {NEARLY}%"),
                ),
                self.nearly_used_up(*calls, *limit, *projected, *kept),
            ),
            Trouble::KeptForCritical { organisation, calls, limit, turns_at, waiting } => (
                self.say(
                    format!("{organisation} keeps its last calls for what is critical"),
                    format!("组织 {organisation} 剩余调用量仅供严重消息使用"),
                ),
                vec![self.made(*calls, *limit), self.waiting(waiting), self.kept(*turns_at)],
            ),
            Trouble::UsedUp { organisation, calls, limit, turns_at, waiting } => (
                self.say(
                    format!("{organisation} has used up its month"),
                    format!("组织 {organisation} 本月调用量已用完"),
                ),
                self.used_up(*calls, *limit, *turns_at, waiting),
            ),
            Trouble::QueueFills { queue, fullest } => (
                self.say("The queue is nearly full".to_owned(), "队列快满了".to_owned()),
                vec![self.fills(*queue), self.fullest(fullest)],
            ),
            Trouble::TemplateFails { template, error } => (
                self.say(format!("Template {template} fails"), format!("模板 {template} 渲染失败")),
                vec![self.stood_in(), quoted(error)],
            ),
            Trouble::ReloadRefused { problems } => (
                self.say("The changed configuration was refused".to_owned(), "新配置被拒绝".to_owned()),
                vec![self.refused(), self.problems(problems)],
            ),
        };
        self.wording(title, Some(since), lines)
    }

    /// A trouble that is over; `None` where that needs no telling.
    pub(super) fn end(self, subject: &str, since: Timestamp, now: Timestamp) -> Option<Wording> {
        let say = |english: String, chinese: String| self.language.of(english, chinese);
        let (kind, name) = subject.split_once('/').unwrap_or((subject, ""));
        let title = match kind {
            "blocked" => say(format!("App {name} is no longer blocked"), format!("应用 {name} 已解除阻塞")),
            "down" => say(format!("App {name} reaches DingTalk again"), format!("应用 {name} 已恢复连接钉钉")),
            "lane" => say(format!("{name} is no longer blocked"), format!("{name} 已解除阻塞")),
            "quota_100" => say(format!("{name} may make calls again"), format!("组织 {name} 又有可用的调用量")),
            "template" => say(format!("Template {name} works again"), format!("模板 {name} 已恢复正常")),
            "queue" => say("The queue has room again".to_owned(), "队列又有空位了".to_owned()),
            "reload" => say("The configuration is taken again".to_owned(), "配置已被正常采用".to_owned()),
            _ => return None,
        };
        let (from, to) = (spoken::at(since, self.zone), spoken::at(now, self.zone));
        let line = say(format!("It lasted from {from} to {to}."), format!("持续时间：{from} 至 {to}。"));
        let goes_on = matches!(kind, "blocked" | "down" | "lane" | "quota_100").then(|| {
            say(
                "What waits goes out now, in order and within the limits.".to_owned(),
                "排队的消息正按顺序、在限速内发出。".to_owned(),
            )
        });
        Some(self.wording(title, None, [Some(line), goes_on].into_iter().flatten().collect()))
    }

    /// Deliveries that died, or that a fallback took over.
    pub(super) fn toll(self, toll: &Toll, fallback: Option<&str>) -> Wording {
        let say = |english: String, chinese: String| self.language.of(english, chinese);
        let (n, receiver) = (toll.count.saturating_sub(toll.told), &toll.receiver);
        let to = fallback.unwrap_or("?");
        let (title, first) = match toll.state {
            State::HandedOver => (
                say(format!("{to} has taken over from {receiver}"), format!("{to} 已接管 {receiver} 的消息")),
                say(
                    format!("{n} deliveries for {receiver} were handed over to {to}. The latest, why:"),
                    format!("{receiver} 的 {n} 条消息已移交给 {to}。最近一条的原因："),
                ),
            ),
            _ => (
                say(
                    format!("{n} {} for {receiver} died", if n == 1 { "delivery" } else { "deliveries" }),
                    format!("发给 {receiver} 的 {n} 条消息发送失败（dead）"),
                ),
                say(
                    "They are kept and not tried again by themselves. The latest, why:".to_owned(),
                    "消息仍保留，但不会再自动重试。最近一条的原因：".to_owned(),
                ),
            ),
        };
        let heir = fallback
            .filter(|_| toll.state == State::Dead)
            .map(|to| say(format!("Those that it may take over went to {to}."), format!("可移交的已交给 {to}。")));
        let mend = (toll.state == State::Dead).then(|| {
            say(
                "Mend the cause, then redrive them on the page or with `POST /api/v1/deliveries/redrive`.".to_owned(),
                "修复原因后，可在页面上或用 `POST /api/v1/deliveries/redrive` 重新发送。".to_owned(),
            )
        });
        let lines = [Some(first), Some(self.why(&toll.reason)), heir, mend].into_iter().flatten().collect();
        self.wording(title, None, lines)
    }

    fn wording(self, title: String, since: Option<Timestamp>, lines: Vec<String>) -> Wording {
        let mut text = vec![format!("**{}**", escaped(&title))];
        text.extend(since.map(|since| {
            let since = spoken::at(since, self.zone);
            self.language.of(format!("Since {since}."), format!("开始时间：{since}。"))
        }));
        text.extend(lines.into_iter().filter(|line| !line.is_empty()));
        text.extend(self.page.map(|page| format!("[{}]({page})", self.language.of("Open the page", "打开页面"))));
        Wording { title, text: text.join("\n\n") }
    }

    fn say(self, english: String, chinese: String) -> String {
        self.language.of(english, chinese)
    }

    fn nearly_used_up(self, calls: u64, limit: u64, projected: u64, kept: Option<Timestamp>) -> Vec<String> {
        let made = self.say(
            format!("{calls} of the {limit} calls of this month are made; at this rate it will be {projected}."),
            format!("本月 {limit} 次调用已用 {calls} 次，照此速度月底将达 {projected} 次。"),
        );
        let gathers = self.say(
            "What is not critical gathers for longer as they run out, so that they last. Once all are used up nothing is \
             sent before the month turns in Shanghai; what waits is kept. Buy more and raise `calls_per_month`, or send \
             less."
                .to_owned(),
            "非严重消息会随余量减少而合并得更久，以便用到月底。全部用完后到上海时间下月初之前不再发送，排队消息会保留。\
             可购买更多调用量并调高 `calls_per_month`，或减少发送。"
                .to_owned(),
        );
        vec![made, kept.map_or(gathers, |turns_at| self.kept(turns_at))]
    }

    fn kept(self, turns_at: Timestamp) -> String {
        let turns_at = spoken::at(turns_at, self.zone);
        self.say(
            format!(
                "What is left is kept for critical messages. The rest goes along with them or waits until the month turns, \
                 {turns_at}. Buy more and raise `calls_per_month`, or send less."
            ),
            format!(
                "剩余的调用量只用于严重消息；其他消息随它们一起发出，或等到下月初（{turns_at}）。可购买更多调用量并调高 \
                 `calls_per_month`，或减少发送。"
            ),
        )
    }

    fn made(self, calls: u64, limit: u64) -> String {
        self.say(
            format!("{calls} of the {limit} calls of this month are made."),
            format!("本月 {limit} 次调用已用 {calls} 次。"),
        )
    }

    fn used_up(self, calls: u64, limit: u64, turns_at: Timestamp, waiting: &Waiting) -> Vec<String> {
        let turns_at = spoken::at(turns_at, self.zone);
        let made = self.made(calls, limit);
        let then = self.say(
            format!(
                "It goes on by itself when the month turns, {turns_at}, or when `calls_per_month` is raised, if DingTalk \
                 allows more."
            ),
            format!("下月初（{turns_at}）自动恢复；若钉钉允许更多调用，调高 `calls_per_month` 即可立即恢复。"),
        );
        vec![made, self.waiting(waiting), then]
    }

    fn fills(self, Fullness { queued, limit }: Fullness) -> String {
        self.say(
            format!(
                "{queued} of {limit} places are taken, which all groups share (`store.max_queued`). When none is left, \
                 webhooks are answered 503 until there is room, those for groups that work too; Alertmanager comes again."
            ),
            format!(
                "{limit} 个位置已占用 {queued} 个，所有群共用（`store.max_queued`）。占满后，所有推送来的告警（包括发往正常群的）\
                 都会得到 503，直到腾出位置；告警源会重试。"
            ),
        )
    }

    fn fullest(self, lanes: &[(String, u64)]) -> String {
        let named = lanes.iter().take(MOST_NAMES).map(|(receiver, queued)| format!("{} {queued}", escaped(receiver)));
        let names = named.collect::<Vec<_>>().join(spoken::comma(self.language));
        self.say(
            format!("Most wait for: {names}. Mend or resume them, hand them over, or cancel what nobody needs."),
            format!("排队最多的：{names}。请修复或恢复这些队列，将消息移交他群，或取消不需要的消息。"),
        )
    }

    fn stood_in(self) -> String {
        self.say(
            "The plain built-in one stands in: nothing is lost, it only looks different.".to_owned(),
            "已改用内置的简单模板：没有丢消息，只是样式不同。".to_owned(),
        )
    }

    fn refused(self) -> String {
        self.say(
            "The last good one goes on. Mend this; it is read again when a file changes:".to_owned(),
            "仍按上一份正确的配置运行。请修正以下问题，文件改动后会自动重新读取：".to_owned(),
        )
    }

    fn waiting(self, Waiting { receivers, queued }: &Waiting) -> String {
        let (shown, more) = receivers.split_at(receivers.len().min(MOST_NAMES));
        let mut names = escaped(&shown.join(spoken::comma(self.language)));
        if !more.is_empty() {
            names.push_str(&format!(" +{}", more.len()));
        }
        if *queued == 0 {
            return self.say(
                format!("Nothing waits for {names} yet; what comes is kept."),
                format!("{names} 目前没有排队的消息；新来的会保留。"),
            );
        }
        self.language.of(
            format!("Nothing is lost: {queued} wait (for {names}) and are kept."),
            format!("没有丢消息：{queued} 条正在排队（{names}），会一直保留。"),
        )
    }

    /// The code and its hint, which says how to mend it.
    fn block(self, block: &BlockView) -> String {
        let known = codes::explain(&block.code).map(|known| known.hint(self.language));
        format!("{}: {}", escaped(&block.code), escaped(&one_line(known.unwrap_or(&block.reason))))
    }

    /// Why something died or was handed over. It is stored in English, for the page and the API are; who reads another
    /// language is told what its code means, if it names one that is known.
    fn why(self, reason: &str) -> String {
        let (before, behind) = reason.split_once(" (").unwrap_or((reason, ""));
        let is_held = reason.starts_with("held: ");
        // `…: a.code (what it means)`, and what is held: `… (a.code); redrive it …`.
        let code = if is_held { behind.split(')').next() } else { before.rsplit(' ').next() };
        let known = code.and_then(codes::explain).filter(|_| self.language == Language::Zh);
        let Some(known) = known else { return quoted(reason) };
        let held =
            if is_held { "可能已送达，故未自动重发；确认没有收到后再手动重发。" } else { "" };
        format!("{}: {held}{}", escaped(known.code), escaped(&one_line(known.hint(self.language))))
    }

    fn probe(self, block: &BlockView) -> String {
        let Some(at) = block.next_probe_at else { return String::new() };
        let at = spoken::at(at, self.zone);
        self.language.of(
            format!("The relay tries again by itself, next at {at}, and goes on as soon as it works."),
            format!("中继会自动重试（下次 {at}），一旦恢复就继续发送。"),
        )
    }

    fn fallback(self, fallback: Option<&str>) -> String {
        let Some(to) = fallback.map(escaped) else { return String::new() };
        self.language.of(format!("If it lasts, {to} takes over."), format!("如果持续下去，将由 {to} 接管。"))
    }

    fn problems(self, problems: &[String]) -> String {
        let shown = problems.iter().take(MOST_NAMES).map(|problem| format!("- {}", quoted(problem)));
        let more = problems.len().saturating_sub(MOST_NAMES);
        let more = (more > 0).then(|| self.language.of(format!("- and {more} more"), format!("- 还有 {more} 个")));
        shown.chain(more).collect::<Vec<_>>().join("\n")
    }
}

/// A text that may come from outside, on one line.
fn quoted(text: &str) -> String {
    escaped(&clipped(&one_line(text), LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::DeliveryId;

    #[test]
    fn a_reason_is_told_in_chinese_where_its_code_is_known() {
        let zone = TimeZone::UTC;
        let voice = |language| Voice { language, zone: &zone, page: None };
        let hint = codes::explain("timeout").unwrap().hint(Language::Zh);
        let said = escaped(hint);
        for (reason, chinese) in [
            ("tried 5 times, the last time: timeout (No answer came.)", format!("timeout: {said}")),
            ("blocked since 2026-11-21 12:00 UTC: timeout (No answer (of any kind) came.)", format!("timeout: {said}")),
            (
                "DingTalk refused the message in 2 forms, each plainer than the one before: a.b, timeout (So.)",
                format!("timeout: {said}"),
            ),
            (
                "held: it may have arrived (timeout); redrive it if it has not",
                format!("timeout: 可能已送达，故未自动重发；确认没有收到后再手动重发。{said}"),
            ),
            (
                "tried 5 times, the last time: no.such.code (Odd.)",
                quoted("tried 5 times, the last time: no.such.code (Odd.)"),
            ),
            ("", String::new()),
        ] {
            assert_eq!(voice(Language::Zh).why(reason), chinese);
            assert_eq!(voice(Language::En).why(reason), quoted(reason));
        }
    }

    /// Everything there is to tell, of what is called `甲` and has a code of our own.
    fn everything_in_chinese() -> Vec<Wording> {
        let page = Url::parse("https://example.com/").unwrap();
        let voice = Voice { language: Language::Zh, zone: &TimeZone::UTC, page: Some(&page) };
        let (name, now) = (|| "甲".to_owned(), Timestamp::UNIX_EPOCH);
        let waiting = |queued| Waiting { receivers: vec![name(); 9], queued };
        let block = || BlockView {
            code: "timeout".to_owned(),
            reason: "Of no interest.".to_owned(),
            since: Some(now),
            next_probe_at: Some(now),
        };
        let mut all = Vec::new();
        for queued in [0, 7] {
            let (organisation, waiting) = (name(), waiting(queued));
            let troubles = [
                Trouble::AppBlocked { app: name(), block: block(), waiting: waiting.clone() },
                Trouble::AppDown { app: name(), block: block(), waiting: waiting.clone() },
                Trouble::LaneBlocked { block: block(), waiting: waiting.clone(), fallback: Some(name()) },
                Trouble::NotConfigured { receiver: name(), block: block(), waiting: waiting.clone() },
                Trouble::NearlyUsedUp {
                    organisation: name(),
                    calls: 8,
                    limit: 10,
                    projected: 9,
                    kept: (queued > 0).then_some(now),
                },
                Trouble::KeptForCritical {
                    organisation: name(),
                    calls: 8,
                    limit: 10,
                    turns_at: now,
                    waiting: waiting.clone(),
                },
                Trouble::UsedUp { organisation, calls: 10, limit: 10, turns_at: now, waiting },
                Trouble::QueueFills { queue: Fullness { queued, limit: 7 }, fullest: vec![(name(), queued); 9] },
                Trouble::TemplateFails { template: name(), error: name() },
                Trouble::ReloadRefused { problems: vec![name(); 9] },
            ];
            all.extend(troubles.iter().map(|trouble| voice.trouble(trouble, now)));
        }
        let subjects = ["blocked/甲", "down/甲", "lane/甲", "quota_100/甲", "queue", "template/甲", "reload"];
        all.extend(subjects.iter().map(|subject| voice.end(subject, now, now).unwrap()));
        for (state, fallback) in [State::Dead, State::HandedOver].into_iter().zip([None, Some("乙")]) {
            let (last, reason) = (DeliveryId::fresh(), "tried 5 times, the last time: timeout (So.)".to_owned());
            let toll = Toll { receiver: name(), state, count: 9, told: 1, last, reason };
            all.extend([fallback, Some("乙")].map(|fallback| voice.toll(&toll, fallback)));
        }
        all
    }

    #[test]
    fn no_word_of_ours_is_english_in_a_chinese_notice() {
        // What stays as it is: what is typed, the address of the page, the code, and the contract's words for a state.
        let as_it_is =
            regex::Regex::new(r"`[^`]*`|\]\([^)]*\)|UTC|timeout|on\\?_unknown\\?_outcome|（(blocked|down|dead)）");
        let (as_it_is, latin) = (as_it_is.unwrap(), regex::Regex::new("[A-Za-z]{2,}").unwrap());
        for Wording { title, text } in everything_in_chinese() {
            let ours = as_it_is.replace_all(&format!("{title}\n{text}"), " ").into_owned();
            let english: Vec<_> = latin.find_iter(&ours).map(|word| word.as_str()).collect();
            assert_eq!(english, [""; 0], "{title}\n{text}");
        }
    }
}
