//! `explain CODE [--lang zh]`: what a code means, what the relay does about it, and what is tried next.
//!
//! The cause and the cure are the table's own (`dingtalk::codes`), the same sentences as on the page, in the API and in
//! the log. What the relay does follows from class and scope alone, and every figure here is read from where it is
//! kept, so this text cannot promise other waits than the gate takes. Pure: words out of a table; printing is `cli`'s.

use std::time::Duration;

use crate::dingtalk::codes::{self, Class, Explanation};
use crate::dingtalk::verdict;
use crate::gate::observe::APP_COOLDOWN;
use crate::model::health::{BLOCKED_APP, BLOCKED_CHANNEL, Backoff, DOWN, FAILURES_UNTIL_DOWN, MONTH_USED_UP};
use crate::model::language::Language;
use crate::model::outcome::Scope;

/// Everything there is to say about a code, in lines.
///
/// # Errors
/// What to say of a code that is not documented, with the one that was most likely meant.
pub fn explain(code: &str, language: Language) -> Result<String, String> {
    let known = codes::explain(code).ok_or_else(|| unknown(code, language))?;
    let [class, scope, from] = language.of(["class", "scope", "from"], ["类别", "范围", "来源"]);
    let [does, probes] = language.of(["What the relay does", "What is tried next"], ["本服务的处理", "后续探测"]);
    let colon = language.of(": ", "：");
    let means = |word: &str, meaning: &str| language.of(format!("{word} ({meaning})"), format!("{word}（{meaning}）"));
    let mut lines = vec![
        known.code.to_owned(),
        format!("  {class}{colon}{}", means(known.class.as_str(), of_class(&known, language))),
        format!("  {scope}{colon}{}", means(known.scope_word(), of_scope(known.scope, language))),
        format!("  {from}{colon}{}", origin(&known, language)),
        String::new(),
        known.hint(language).to_owned(),
        String::new(),
    ];
    let course = Course::of(&known);
    lines.push(format!("{does}{colon}{}", course.follows(language)));
    lines.push(format!("{probes}{colon}{}", course.probes(&known, language)));
    Ok(lines.join("\n") + "\n")
}

/// Every code, one a line, with its class, its scope and the status DingTalk sends it with (`-`: a word of ours).
pub fn list() -> String {
    let mut text = format!("{:<56} {:<12} {:<8} HTTP\n", "CODE", "CLASS", "SCOPE");
    for known in codes::codes() {
        let status = known.http_status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        text += &format!("{:<56} {:<12} {:<8} {status}\n", known.code, known.class.as_str(), known.scope_word());
    }
    text
}

fn unknown(code: &str, language: Language) -> String {
    let near = codes::codes().map(|known| known.code).min_by_key(|known| strsim::levenshtein(known, code));
    let near = near.filter(|known| strsim::normalized_levenshtein(known, code) > 0.6);
    let code = code.escape_debug();
    match near {
        Some(near) => language.of(
            format!("'{code}' is not a documented code; did you mean '{near}'?"),
            format!("没有文档记载 '{code}' 这个错误码；是否想查 '{near}'？"),
        ),
        None => language.of(
            format!(
                "'{code}' is not a documented code. What it does not know the relay judges by the HTTP status: \
                 `dingtalk-relay explain http_400`; `dingtalk-relay explain` lists every code"
            ),
            format!(
                "没有文档记载 '{code}' 这个错误码。未知错误码按 HTTP 状态处理：`dingtalk-relay explain http_400`；\
                 `dingtalk-relay explain` 列出全部错误码"
            ),
        ),
    }
}

fn of_class(known: &Explanation, language: Language) -> &'static str {
    match known.class {
        Class::Blocked if known.code == KEPT => {
            language.of("only what is not critical, for this month", "仅限非严重消息，仅限本月")
        }
        Class::Throttled => language.of("too fast", "发送过快"),
        Class::Unavailable => language.of("it may work later", "稍后可能恢复"),
        Class::Blocked => language.of("someone must mend a setting", "需要人工修改设置"),
        Class::Refused => language.of("this message will not do", "这条消息不被接受"),
        Class::Token => language.of("the access token was rejected", "access token 被拒绝"),
    }
}

fn of_scope(scope: Scope, language: Language) -> &'static str {
    match scope {
        Scope::Message => language.of("this message alone", "仅这条消息"),
        Scope::Channel => language.of("this robot in this group", "该机器人在该群"),
        Scope::Api => language.of("this API of the app", "应用的该接口"),
        Scope::App => language.of("every call of the app", "应用的所有调用"),
        Scope::Month => language.of("the organisation's calls of this month", "组织本月的调用量"),
    }
}

fn origin(known: &Explanation, language: Language) -> String {
    let Some(status) = known.http_status else {
        return language.of("a word of the relay's own", "本服务自定义的错误码").to_owned();
    };
    let calls = match known.api {
        "any" => language.of("any call", "所有接口").to_owned(),
        calls => calls.replace('+', language.of(", ", "、")),
    };
    language.of(format!("DingTalk ({calls}), HTTP {status}"), format!("钉钉（{calls}），HTTP {status}"))
}

/// Our word for a month whose rest is kept: of all that is told as blocked the only one under which the app goes on.
const KEPT: &str = "month_kept_for_critical";

/// What follows from a code: one sentence of the contract's tables each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    ChannelCools,
    AppCools,
    Retried,
    /// A failed call for a token or another trouble of the whole app's.
    AppFails,
    ChannelBlocked,
    NotConfigured,
    AppBlocked,
    MonthOver,
    KeptForCritical,
    Plainer,
    Refreshed,
    /// Known of queries alone: no send is concerned.
    Asking,
}

impl Course {
    fn of(known: &Explanation) -> Self {
        match (known.class, known.scope) {
            _ if known.api == "query" => Self::Asking,
            _ if known.code == "not_configured" => Self::NotConfigured,
            _ if known.code == KEPT => Self::KeptForCritical,
            (Class::Token, _) => Self::Refreshed,
            (Class::Refused, _) => Self::Plainer,
            (Class::Throttled, Scope::Channel | Scope::Message) => Self::ChannelCools,
            (Class::Throttled, Scope::Api | Scope::App | Scope::Month) => Self::AppCools,
            (Class::Unavailable, Scope::Message | Scope::Channel) => Self::Retried,
            (Class::Unavailable, Scope::Api | Scope::App | Scope::Month) => Self::AppFails,
            (Class::Blocked, Scope::Channel | Scope::Message) => Self::ChannelBlocked,
            (Class::Blocked, Scope::Month) => Self::MonthOver,
            (Class::Blocked, Scope::Api | Scope::App) => Self::AppBlocked,
        }
    }

    fn follows(self, language: Language) -> &'static str {
        match self {
            Self::ChannelCools => language.of(
                "the delivery goes back into the queue and the attempt does not count. This robot in this group cools \
                 down; its rate is halved, and recovers in steps while messages get through. Other groups do not wait.",
                "投递退回队列，本次尝试不计数。该机器人在该群冷却，速率减半，发送成功后逐步恢复；其他群不受影响。",
            ),
            Self::AppCools => language.of(
                "the delivery goes back into the queue and the attempt does not count. The whole app cools down; other \
                 apps do not wait.",
                "投递退回队列，本次尝试不计数。整个应用冷却；其他应用不受影响。",
            ),
            Self::Retried => language.of(
                "the delivery goes back into the queue and is tried again by retry.schedule; after retry.max_attempts it \
                 is dead. If the call may have arrived, it is marked possibly duplicated, or given up where \
                 on_unknown_outcome is hold.",
                "投递退回队列，按 retry.schedule 重试，超过 retry.max_attempts 次后为 dead。若消息可能已到达，则标记为 \
                 possibly duplicated；on_unknown_outcome 为 hold 时不再重发。",
            ),
            Self::AppFails => language.of(
                "nothing is taken from the queue without an access token, so no delivery is blamed.",
                "没有 access token 时不会取出任何投递，因此不影响投递的重试次数。",
            ),
            Self::ChannelBlocked => language.of(
                "the queue is kept, nothing dies, and the attempt does not count. This robot in this group is blocked, \
                 and page, API and metrics say so; other groups do not wait.",
                "保留队列，不丢弃投递，本次尝试不计数。该机器人在该群被阻塞（blocked），页面、API 和指标均会显示；其他群不受影响。",
            ),
            Self::NotConfigured => language.of("the queue is kept, and nothing is sent.", "保留队列，不发送。"),
            Self::AppBlocked => language.of(
                "the queues are kept, nothing dies, and the attempt does not count. All lanes of the app are blocked, \
                 and page, API and metrics say so; other apps do not wait.",
                "保留队列，不丢弃投递，本次尝试不计数。应用的所有队列被阻塞（blocked），页面、API 和指标均会显示；其他应用不受影响。",
            ),
            Self::MonthOver => language.of(
                "the queues are kept, nothing dies, and the attempt does not count. The app is blocked.",
                "保留队列，不丢弃投递，本次尝试不计数。应用被阻塞（blocked）。",
            ),
            Self::KeptForCritical => language.of(
                "critical messages go at once and take along what waits in their lane. The rest is kept and nothing dies; \
                 its lanes flow, and page and API say what they wait for.",
                "严重消息照常立即发出，并带走所在队列中排队的消息。其余投递保留在队列中，不会丢弃；页面和 API 会显示在等什么。",
            ),
            Self::Plainer => language.of(
                "a plainer form of the message is tried where there is one; refused in every form, the delivery is \
                 dead, with this reason. Nothing else waits for it.",
                "有更简单的形式时换形式再发；所有形式都被拒绝后，投递为 dead，并记录此原因。其他消息不受影响。",
            ),
            Self::Refreshed => language.of(
                "it fetches a fresh token, once however many lanes need it, and repeats the call inside the same \
                 attempt. Only if the fresh token is rejected too, the app is blocked and its queues are kept.",
                "换新 token（多条队列同时需要也只取一次），并在同一次尝试内重发。新 token 仍被拒绝时，应用被阻塞（blocked），队列保留。",
            ),
            Self::Asking => language.of(
                "only the question who has read a message is concerned: no send waits, and nothing is blocked.",
                "只影响已读情况的查询：不影响发送，也不阻塞任何队列。",
            ),
        }
    }

    fn probes(self, known: &Explanation, language: Language) -> String {
        match self {
            Self::ChannelCools => language.of(
                "nothing before limits.cooldown of the receiver is over (60 s, doubling to 10 min unless set), with some \
                 jitter; then the queue goes on.",
                "该 receiver 的 limits.cooldown 结束前不再发送（默认 60 秒，翻倍至 10 分钟，带抖动），之后继续发送。",
            )
            .to_owned(),
            Self::AppCools => {
                let Backoff { first, last } = app_cooldown(known);
                let (first, last) = (length(first, language), length(last, language));
                language.of(
                    format!(
                        "nothing before the cool-down is over ({first}, doubling to {last}), with some jitter; then the \
                         queues go on."
                    ),
                    format!("冷却结束前不再发送（{first}，翻倍至 {last}，带抖动），之后继续发送。"),
                )
            }
            Self::Retried if is_turned_away(known) => language.of(
                "no probe is needed: DingTalk answers, so the app is not down.",
                "无需探测：钉钉有应答，应用并未中断。",
            )
            .to_owned(),
            Self::Retried | Self::AppFails => {
                let waits = waits(DOWN, language);
                language.of(
                    format!(
                        "after {FAILURES_UNTIL_DOWN} failures of the app in a row it is down: one probe at a time goes \
                         out, {waits}, and attempts do not count. The first success opens all its lanes again."
                    ),
                    format!(
                        "应用连续失败 {FAILURES_UNTIL_DOWN} 次后视为中断（down）：每次只发一个探测，{waits}，尝试不计数。\
                         首次成功后所有队列恢复。"
                    ),
                )
            }
            Self::ChannelBlocked => opened_by_a_probe(BLOCKED_CHANNEL, language),
            Self::AppBlocked => mended_or_probed(language),
            Self::Refreshed => {
                let probes = mended_or_probed(language);
                language.of(format!("while the app is blocked, {probes}"), format!("应用被阻塞期间，{probes}"))
            }
            Self::KeptForCritical => language.of(
                "nothing: what is not critical goes with the next critical message of its lane, when the month turns in \
                 Shanghai, or when calls_per_month is raised.",
                "无需探测：非严重消息随所在队列的下一条严重消息发出，或等到北京时间下月初，或调高 calls_per_month 后发出。",
            )
            .to_owned(),
            Self::MonthOver if known.code == "month_used_up" => language.of(
                "nothing before the month turns in Shanghai or calls_per_month is raised.",
                "北京时间下月初或调高 calls_per_month 之前不再调用。",
            )
            .to_owned(),
            Self::MonthOver => {
                let every = length(MONTH_USED_UP, language);
                language.of(
                    format!("one probe every {every}, and when the month turns in Shanghai."),
                    format!("每 {every}探测一次，北京时间下月初也会探测。"),
                )
            }
            Self::NotConfigured | Self::Plainer => language.of("nothing.", "无。").to_owned(),
            Self::Asking => language.of(
                "the question is asked again by receipts.ask_after, where that may help.",
                "仍有可能查到时，按 receipts.ask_after 再次查询。",
            )
            .to_owned(),
        }
    }
}

fn opened_by_a_probe(waits_of: Backoff, language: Language) -> String {
    let waits = waits(waits_of, language);
    language.of(
        format!("one probe, {waits}. The first one that succeeds opens it again."),
        format!("每次一个探测，{waits}。首次成功后恢复。"),
    )
}

fn mended_or_probed(language: Language) -> String {
    let probes = opened_by_a_probe(BLOCKED_APP, language);
    language.of(
        format!("{probes} It is tried at once when the secret's file changes or the configuration is read again."),
        format!("{probes}密钥文件变化或重新加载配置后立即再试。"),
    )
}

/// The same rule as the gate's: what the kind of limit needs first, or else the app's own.
fn app_cooldown(known: &Explanation) -> Backoff {
    verdict::least_wait(known.code).map_or(APP_COOLDOWN, |first| Backoff { first, ..APP_COOLDOWN })
}

fn is_turned_away(known: &Explanation) -> bool {
    known.http_status.is_some_and(|status| (400..500).contains(&status)) || known.code == "http_4xx"
}

fn waits(waits: Backoff, language: Language) -> String {
    let (first, last) = (length(waits.first, language), length(waits.last, language));
    language.of(format!("after {first}, doubling to every {last}"), format!("首次 {first}后，间隔翻倍至 {last}"))
}

/// In the largest unit that divides it.
fn length(span: Duration, language: Language) -> String {
    match span.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3600) => {
            format!("{} {}", seconds / 3600, language.of("h", "小时"))
        }
        seconds if seconds > 0 && seconds.is_multiple_of(60) => {
            format!("{} {}", seconds / 60, language.of("min", "分钟"))
        }
        seconds => format!("{seconds} {}", language.of("s", "秒")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One code of every course.
    const ONE_OF_EACH: [&str; 14] = [
        "send.too.fast",
        "too.many.group",
        "punish",
        "unknown.send.result",
        "http_502",
        "no_token",
        "group.disbanded",
        "not_configured",
        "Forbidden.AccessDenied.IpNotInWhiteList",
        "Forbidden.AccessDenied.ApiCountLimitForOrg",
        "month_kept_for_critical",
        "contain.unsafe.url",
        "InvalidAuthentication",
        "processQueryKey.expireTime",
    ];

    fn one_of_each(language: Language) -> String {
        ONE_OF_EACH.map(|code| explain(code, language).unwrap()).join("\n")
    }

    #[test]
    fn an_explanation_says_the_cause_the_cure_and_what_follows() {
        insta::assert_snapshot!(one_of_each(Language::En));
    }

    #[test]
    fn an_explanation_reads_well_in_chinese() {
        insta::assert_snapshot!(one_of_each(Language::Zh));
    }

    #[test]
    fn every_code_is_listed() {
        insta::assert_snapshot!(list());
    }

    #[test]
    fn every_code_is_explained_in_both_languages_with_the_hint_of_the_table() {
        for known in codes::codes() {
            for language in Language::ALL {
                let text = explain(known.code, language).unwrap();
                assert!(text.contains(known.hint(language)), "{text}");
                assert_eq!(text.contains('。'), language == Language::Zh, "{text}");
            }
        }
    }

    #[test]
    fn the_month_that_our_own_count_ends_is_not_asked_for() {
        let text = explain("month_used_up", Language::En).unwrap();
        assert!(text.ends_with("nothing before the month turns in Shanghai or calls_per_month is raised.\n"), "{text}");
    }

    #[test]
    fn a_month_that_is_kept_for_what_is_critical_blocks_no_app() {
        for language in Language::ALL {
            let text = explain(KEPT, language).unwrap();
            assert_eq!(
                text.matches("blocked").count(),
                1,
                "as the class of the code, for what is not critical: {text}"
            );
            assert!(!text.contains("阻塞"), "{text}");
        }
    }

    #[test]
    fn the_cool_down_that_is_named_is_the_default() {
        let defaults = include_str!("../../config/default.yaml");
        let words: Vec<_> = defaults.split_whitespace().collect();
        let kept = words.windows(5).any(|words| words == ["cooldown:", "initial:", "60s", "max:", "10m"]);
        assert!(kept, "the text of a cooling channel says so");
    }

    #[test]
    fn a_code_that_is_not_documented_is_compared_with_those_that_are() {
        let near = explain("send.to.fast", Language::En).unwrap_err();
        assert_eq!(near, "'send.to.fast' is not a documented code; did you mean 'send.too.fast'?");
        let far = explain("quite\u{7}other", Language::Zh).unwrap_err();
        assert!(far.contains(r"quite\u{7}other") && far.contains("http_400"), "{far}");
    }
}
