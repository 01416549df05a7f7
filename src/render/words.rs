//! What `render` says by itself, in the reader's language.
//!
//! Every word of ours in a rendered message stands here or, where other rooms say it too, in
//! [`crate::model::spoken`]. A template finds the single words as `words.KEY`; so an operator's own can say what the
//! built-in ones say, in the language of whoever reads it. What the sender said (names, labels, annotations) is never
//! translated, nor is what a machine looks for.

use jiff::tz::TimeZone;

use crate::model::event::{Severity, Status};
use crate::model::language::Language;
use crate::model::spoken;

/// Whom a message is rendered for.
#[derive(Debug, Clone)]
pub(crate) struct Audience {
    /// The language of our own words.
    pub(crate) language: Language,
    /// The zone of the times shown.
    pub(crate) zone: TimeZone,
}

impl Default for Audience {
    fn default() -> Self {
        Self { language: Language::default(), zone: TimeZone::UTC }
    }
}

/// A word by itself: a caption, or what stands where the sender said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Alertmanager,
    Dashboard,
    Graph,
    Logs,
    NoName,
    Nothing,
    Open,
    OpenGithub,
    Panel,
    Runbook,
    Silence,
    Traces,
}

impl Word {
    /// Every one there is.
    pub(crate) const ALL: [Self; 12] = [
        Self::Alertmanager,
        Self::Dashboard,
        Self::Graph,
        Self::Logs,
        Self::NoName,
        Self::Nothing,
        Self::Open,
        Self::OpenGithub,
        Self::Panel,
        Self::Runbook,
        Self::Silence,
        Self::Traces,
    ];

    /// Its name in a template, in English and in Chinese.
    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Alertmanager => ("alertmanager", "Alertmanager", "Alertmanager"),
            Self::Dashboard => ("dashboard", "Dashboard", "仪表盘"),
            Self::Graph => ("graph", "Graph", "查看图表"),
            Self::Logs => ("logs", "Logs", "日志"),
            Self::NoName => ("no_name", "(no name)", "（无名称）"),
            Self::Nothing => ("nothing", "(nothing)", "（无内容）"),
            Self::Open => ("open", "Open", "查看详情"),
            Self::OpenGithub => ("open_github", "View on GitHub", "在 GitHub 上查看"),
            Self::Panel => ("panel", "Panel", "面板"),
            Self::Runbook => ("runbook", "Runbook", "处理手册"),
            Self::Silence => ("silence", "Silence", "静默"),
            Self::Traces => ("traces", "Traces", "链路追踪"),
        }
    }

    /// In that language.
    pub(crate) fn of(self, language: Language) -> &'static str {
        let (_, english, chinese) = self.row();
        language.of(english, chinese)
    }
}

/// The single words, by their names in a template: captions, severities, states, and what stands between.
pub(crate) fn for_templates(language: Language) -> impl Iterator<Item = (&'static str, &'static str)> {
    let captions = Word::ALL.map(|word| (word.row().0, word.of(language)));
    let severities = Severity::ALL.map(|severity| (severity.as_str(), spoken::severity(severity, language)));
    let states = [Status::Firing, Status::Notice, Status::Resolved];
    let states = states.map(|status| (status.as_str(), spoken::status(status, language)));
    let marks = [("colon", spoken::colon(language)), ("comma", spoken::comma(language))];
    captions.into_iter().chain(severities).chain(states).chain(marks)
}

/// What stands on a link that an annotation names: `runbook` of `runbook_url`, or any other word of the sender's.
pub(crate) fn caption(named: &str, language: Language) -> String {
    let known = Word::ALL.into_iter().find(|word| word.row().0 == named);
    let mut letters = named.chars();
    let capitalised = || letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    known.map_or_else(capitalised, |word| word.of(language).to_owned())
}

/// What the sender left out by itself, as markdown: `**+40 more** that Alertmanager left out`. Empty for none.
pub(crate) fn left_out(count: u64, kind: &str, language: Language) -> String {
    let sender = if kind == "alertmanager" { "Alertmanager" } else { language.of("the sender", "发送方") };
    match count {
        0 => String::new(),
        _ => language.of(
            format!("**+{count} more** that {sender} left out"),
            match sender {
                "Alertmanager" => format!("**还有 {count} 条**被 Alertmanager 省略"),
                sender => format!("**还有 {count} 条**被{sender}省略"),
            },
        ),
    }
}

/// Names, the first ones said: `HighCPU, DiskFull +3`; `HighCPU、DiskFull 等 5 种`.
pub(crate) fn names(shown: &[String], all: usize, language: Language) -> String {
    let more = all.saturating_sub(shown.len());
    let shown = shown.join(spoken::comma(language));
    match more {
        0 => shown,
        more => language.of(format!("{shown} +{more}"), format!("{shown} 等 {all} 种")),
    }
}

/// What a label is called, and how bad an alert is, where a source of ours has named it: in GitHub's deliveries. Any
/// other label is its sender's, and stays as it is.
pub(crate) fn label<'l>((name, value): (&'l str, &'l str), kind: &str, language: Language) -> (&'l str, &'l str) {
    if language == Language::En || kind != "github" {
        return (name, value);
    }
    let known = |table: &'static [(&str, &str)], word: &'l str| {
        table.iter().find(|(english, _)| *english == word).map_or(word, |(_, chinese)| chinese)
    };
    let value = if name == "severity" { known(SEVERITIES_OF_GITHUB, value) } else { value };
    (known(LABELS_OF_GITHUB, name), value)
}

const SEVERITIES_OF_GITHUB: &[(&str, &str)] = &[
    ("critical", "严重"),
    ("error", "错误"),
    ("high", "高危"),
    ("low", "低危"),
    ("medium", "中危"),
    ("moderate", "中危"),
    ("note", "提示"),
    ("warning", "警告"),
];

const LABELS_OF_GITHUB: &[(&str, &str)] = &[
    ("assignee", "负责人"),
    ("branch", "分支"),
    ("by", "触发者"),
    ("category", "分类"),
    ("diff", "变更"),
    ("environment", "环境"),
    ("file", "文件"),
    ("files", "文件数"),
    ("fixed in", "修复版本"),
    ("label", "标签"),
    ("labels", "标签"),
    ("member", "成员"),
    ("milestone", "里程碑"),
    ("package", "软件包"),
    ("plan", "方案"),
    ("reviewer", "评审人"),
    ("severity", "严重程度"),
    ("team", "团队"),
    ("version", "版本"),
    ("was", "原名称"),
    ("workflow", "工作流"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_one_name_and_is_said_in_every_language() {
        for language in Language::ALL {
            let words: Vec<_> = for_templates(language).collect();
            let names: std::collections::BTreeSet<_> = words.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), words.len(), "{words:?}");
            assert!(words.iter().all(|(_, said)| !said.is_empty()));
        }
        for word in Word::ALL {
            assert!(word.of(Language::Zh).chars().count() <= 20, "a caption has twenty characters: {word:?}");
        }
    }

    #[test]
    fn a_caption_is_known_or_the_senders_own() {
        for (named, english, chinese) in
            [("runbook", "Runbook", "处理手册"), ("logs", "Logs", "日志"), ("who to ask", "Who to ask", "Who to ask")]
        {
            assert_eq!(caption(named, Language::En), english);
            assert_eq!(caption(named, Language::Zh), chinese);
        }
    }

    #[test]
    fn what_the_sender_left_out_is_counted() {
        assert_eq!(left_out(0, "alertmanager", Language::Zh), "");
        assert_eq!(left_out(40, "alertmanager", Language::En), "**+40 more** that Alertmanager left out");
        assert_eq!(left_out(40, "alertmanager", Language::Zh), "**还有 40 条**被 Alertmanager 省略");
        assert_eq!(left_out(1, "generic", Language::En), "**+1 more** that the sender left out");
        assert_eq!(left_out(1, "generic", Language::Zh), "**还有 1 条**被发送方省略");
    }

    #[test]
    fn a_label_is_translated_only_where_the_relay_has_named_it() {
        let severity = ("severity", "high");
        assert_eq!(label(severity, "github", Language::Zh), ("严重程度", "高危"));
        assert_eq!(label(("branch", "high"), "github", Language::Zh), ("分支", "high"));
        for (kind, language) in [("github", Language::En), ("alertmanager", Language::Zh)] {
            assert_eq!(label(severity, kind, language), severity);
        }
    }
}
