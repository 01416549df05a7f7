//! Rendering cannot lose an event (law 5), and nothing from outside can spoil a message.

use jiff::tz::TimeZone;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use pulldown_cmark::{Options, Parser, Tag};

use super::*;
use crate::model::event::{Labels, Severity, Status};
use crate::model::language::Language;
use crate::model::name::EventId;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn item(name: &str, severity: Severity, status: Status) -> Item {
    let since: jiff::Timestamp = "2026-11-21T19:28:47Z".parse().unwrap();
    Item {
        fingerprint: format!("{name}-{severity}-{status}"),
        name: name.to_owned(),
        status,
        severity,
        labels: labels(&[("alertname", name), ("cluster", "prod"), ("severity", severity.as_str())]),
        annotations: labels(&[("summary", &format!("{name} is {severity}"))]),
        since,
        until: (status == Status::Resolved).then(|| since + std::time::Duration::from_secs(90)),
        url: Some("http://prom.example:9090/graph?g0.expr=up".to_owned()),
    }
}

fn event(items: Vec<Item>) -> Event {
    Event {
        id: EventId("e1".to_owned()),
        source: "alertmanager".parse().unwrap(),
        kind: "alertmanager",
        title: "never shown".to_owned(),
        title_in_chinese: None,
        url: Some("http://alertmanager.example:9093".to_owned()),
        received_at: "2026-11-21T19:30:00Z".parse().unwrap(),
        order_key: String::new(),
        dedup_key: String::new(),
        dedup_state: String::new(),
        facts: Labels::new(),
        group: labels(&[("cluster", "prod")]),
        items,
        truncated: 0,
    }
}

/// A renderer whose receiver `oncall` takes the template `own` with this source.
fn renderer(source: &str) -> Renderer {
    let mut engine = engine::engine().unwrap();
    engine.add_template_owned("own", source.to_owned()).unwrap();
    let taste = Taste {
        template: Some("own".to_owned()),
        audience: Audience { language: Language::En, zone: TimeZone::get("Asia/Shanghai").unwrap() },
    };
    let receivers = BTreeMap::from([("oncall".parse().unwrap(), taste)]);
    Renderer { engine, receivers, failing: Failing::default() }
}

fn render(renderer: &Renderer, event: &Event) -> Content {
    renderer.render(event, &event.items.iter().collect::<Vec<_>>(), &"oncall".parse().unwrap())
}

fn content(event: &Event) -> Content {
    render(&renderer("{% extends 'alertmanager' %}"), event)
}

/// What a reader sees: the text, its line ends as `\n`; everything that is not plain text as `⟨…⟩`.
fn seen(markdown: &str) -> String {
    // More than DingTalk knows, but not math: a dollar sign is one there.
    let options = Options::ENABLE_GFM
        | Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    Parser::new_ext(markdown, options)
        .map(|event| match event {
            pulldown_cmark::Event::Text(text) => text.to_string(),
            pulldown_cmark::Event::HardBreak => "\n".to_owned(),
            pulldown_cmark::Event::Start(Tag::Paragraph) | pulldown_cmark::Event::End(_) => String::new(),
            other => format!("⟨{other:?}⟩"),
        })
        .collect()
}

#[test]
fn the_worst_comes_first_and_the_title_counts() {
    use Severity::{Critical, Info, Warning};
    let event = event(vec![
        item("Over", Critical, Status::Resolved),
        item("Note", Info, Status::Firing),
        item("Slow", Warning, Status::Firing),
        item("Down", Critical, Status::Firing),
    ]);
    let content = content(&event);
    let names: Vec<_> = content.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["Down", "Slow", "Note", "Over"]);
    assert_eq!(content.title, "🔴 3 firing (1 critical), 1 resolved: Down, Slow +2 · prod");
}

#[test]
fn a_critical_notice_comes_before_whatever_is_milder() {
    let mild = item("Note", Severity::Info, Status::Firing);
    let event = event(vec![mild, item("Deploy", Severity::Critical, Status::Notice)]);
    let content = content(&event);
    assert_eq!(content.items[0].name, "Deploy");
    assert_eq!(content.title, "🔴 1 critical, 1 info: Deploy, Note · prod");
}

#[test]
fn a_title_never_names_items_that_went_elsewhere() {
    let event = event(vec![
        item("Mine", Severity::Warning, Status::Firing),
        item("Elsewhere", Severity::Critical, Status::Firing),
    ]);
    let renderer = renderer("{% extends 'alertmanager' %}");
    let content = renderer.render(&event, &[&event.items[0]], &"oncall".parse().unwrap());
    assert_eq!(content.title, "🟠 1 warning firing: Mine · prod");
    assert!(!format!("{content:?}").contains("Elsewhere") && !format!("{content:?}").contains("never shown"));
}

#[test]
fn a_title_is_short_and_plain() {
    let mut long = item("x", Severity::Info, Status::Firing);
    long.name = format!("**bold**\n{}", "长".repeat(500));
    let title = content(&event(vec![long])).title;
    assert_eq!(title.chars().count(), LONGEST_TITLE.min(title.chars().count()));
    assert!(title.starts_with("🔵 1 info firing: **bold** 长长"), "{title}");
}

/// An event of another kind, with one item of that severity and status.
fn told(kind: &'static str, severity: Severity, status: Status) -> Event {
    let mut item = item("push", severity, status);
    item.labels = labels(&[("branch", "main")]);
    item.url = Some("https://github.example/compare".to_owned());
    let (title, url) = ("octo/repo: 2 commits pushed".to_owned(), item.url.clone());
    Event { kind, title, url, group: Labels::new(), ..event(vec![item]) }
}

fn built_in(event: &Event) -> Content {
    renderer("").render(event, &event.items.iter().collect::<Vec<_>>(), &"somebody".parse().unwrap())
}

#[test]
fn a_notice_is_not_counted_and_bears_an_icon_only_if_it_is_bad() {
    for (severity, status, title) in [
        (Severity::Info, Status::Notice, "octo/repo: 2 commits pushed"),
        (Severity::Warning, Status::Notice, "🟠 octo/repo: 2 commits pushed"),
        (Severity::Critical, Status::Notice, "🔴 octo/repo: 2 commits pushed"),
        (Severity::Info, Status::Firing, "🔵 firing: octo/repo: 2 commits pushed"),
        (Severity::Critical, Status::Resolved, "✅ resolved: octo/repo: 2 commits pushed"),
    ] {
        for kind in ["github", "generic"] {
            assert_eq!(built_in(&told(kind, severity, status)).title, title);
        }
    }
}

#[test]
fn a_notice_says_everything_once() {
    let content = built_in(&told("github", Severity::Info, Status::Notice));
    assert_eq!(content.header, "### octo/repo: 2 commits pushed");
    insta::assert_snapshot!(content.items[0].body.replace("  \n", "␠␠\n"), @"
    **push is info**␠␠
    branch: main␠␠
    at 2026-11-21 19:28 UTC
    ");
    assert_eq!(content.items[0].short, "octo/repo: 2 commits pushed: push is info");
    assert_eq!(content.footer, "[View on GitHub](https://github.example/compare)");
    assert_eq!(content.buttons.len(), 1);
}

#[test]
fn notices_are_counted_apart_from_what_fires_and_what_is_over() {
    let items = |statuses: &[Status]| statuses.iter().map(|s| item("x", Severity::Info, *s)).collect::<Vec<_>>();
    let (firing, notice, over) = (Status::Firing, Status::Notice, Status::Resolved);
    for (statuses, counts) in [
        (&[notice][..], "1 notice"),
        (&[notice, notice], "2 notices"),
        (&[over, notice, firing], "1 info firing, 1 notice, 1 resolved"),
        (&[over], "1 resolved"),
    ] {
        let event = event(items(statuses));
        assert_eq!(built_in(&event).title.split_once(": ").unwrap().0.split_once(' ').unwrap().1, counts);
    }
    let order: Vec<_> = content(&event(items(&[over, notice, firing]))).items.iter().map(|item| item.status).collect();
    assert_eq!(order, [firing, notice, over]);
}

#[test]
fn a_template_says_anew_what_is_to_be_different() {
    let own = renderer(
        "{% extends 'alertmanager' %}
        {% block title %}**{{ group.cluster }}**: {{ count }}{% endblock %}
        {% block item %}
        {{ item.labels.cluster }} {{ item.annotations.nothing }}
        {{ link('Logs', 'https://logs.example/?q=(' ~ item.name ~ ')') }} {{ link('No', 'javascript:x') }}
        {{ item.when }}
        {% endblock %}",
    );
    let content = render(&own, &event(vec![item("Down", Severity::Critical, Status::Resolved)]));
    assert_eq!(content.title, "prod: 1");
    assert!(content.header.starts_with("### ✅ 1 resolved: Down"), "inherited: {}", content.header);
    insta::assert_snapshot!(content.items[0].body.replace("  \n", "␠␠\n"), @r"
    prod␠␠
    [Logs](https://logs.example/?q=%28Down%29) No␠␠
    resolved 2026-11-22 03:30 UTC+8 after 1m 30s
    ");
}

#[test]
fn a_template_of_ones_own_finds_the_words_of_whoever_reads_it() {
    let mut own = renderer(
        "{% extends 'alertmanager' %}
        {% block title %}{{ words[severity] }}{{ words.colon }}{{ subject }} ({{ language }}){% endblock %}
        {% block footer %}{{ left_out }} {{ words.runbook }}{% endblock %}",
    );
    let event = Event { truncated: 3, ..event(vec![item("Down", Severity::Critical, Status::Firing)]) };
    let content = render(&own, &event);
    assert_eq!(content.title, "critical: Down (en)");
    assert_eq!(content.footer, "**+3 more** that Alertmanager left out Runbook");

    let taste = own.receivers.get_mut(&"oncall".parse::<Name>().unwrap()).unwrap();
    taste.audience.language = Language::Zh;
    let content = render(&own, &event);
    assert_eq!(content.title, "严重：Down (zh)");
    assert_eq!(content.footer, "**还有 3 条**被 Alertmanager 省略 处理手册");
}

#[test]
fn where_a_template_fails_the_plain_built_in_stands_in() {
    let event = event(vec![item("Down", Severity::Critical, Status::Firing)]);
    for failing in [
        "{% extends 'alertmanager' %}{% block item %}{{ item.nothing.at_all }}{% endblock %}",
        "{% extends 'alertmanager' %}{% block title %} {{ nothing }}{% endblock %}",
        "{% extends 'alertmanager' %}{% block footer %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{% endblock %}",
        "{% extends 'alertmanager' %}{% block header %}{{ ('giant' * 100000)|safe }}{% endblock %}",
        "{% extends 'own' %}",
        "{% extends 'nowhere' %}",
    ] {
        let content = render(&renderer(failing), &event);
        assert_eq!(content.title, "🔴 1 critical firing: Down", "{failing}");
        assert!(content.items[0].body.starts_with("🔴 Down is critical"), "{failing}");
    }
}

#[test]
fn a_stand_in_is_counted() {
    let handle = crate::telemetry::metrics::handle();
    let failing = renderer("{% extends 'nowhere' %}");
    render(&failing, &event(vec![item("Down", Severity::Critical, Status::Firing)]));
    assert!(handle.render().contains("dingtalk_relay_render_fallbacks_total{template=\"own\"}"));
}

#[test]
fn an_unknown_kind_or_receiver_is_rendered_too() {
    let mut event = event(vec![item("Down", Severity::Critical, Status::Firing)]);
    event.kind = "newer";
    let content = renderer("").renders_for_somebody_unknown(&event);
    assert!(content.header.contains("Down") && content.items[0].body.contains("UTC"));
}

impl Renderer {
    fn renders_for_somebody_unknown(&self, event: &Event) -> Content {
        self.render(event, &event.items.iter().collect::<Vec<_>>(), &"nobody".parse().unwrap())
    }
}

#[test]
fn problems_of_templates_come_all_at_once_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, source: &str| std::fs::write(folder.path().join(file), source).unwrap();
    write("broken.md.j2", "{% extends 'alertmanager' %}\n{% block title %}{{ }}{% endblock %}");
    write("alertmanager.md.j2", "");
    write("good.md.j2", "{% extends 'alertmanager' %}");
    write("ignored.txt", "");
    let places = [folder.path().to_owned(), "/nowhere".into(), folder.path().join("good.md.j2")];
    let said = problems(&places, "goood");
    insta::assert_snapshot!(said.replace(&*folder.path().to_string_lossy(), "FOLDER"), @r#"
    templates[0]: FOLDER/alertmanager.md.j2: a built-in template is called "alertmanager"; extend it under another name
    templates[0]: FOLDER/broken.md.j2: syntax error: unexpected end of variable block (in broken:2)
    templates[1]: cannot read /nowhere: No such file or directory (os error 2)
    templates[2]: FOLDER/good.md.j2: templates[0] has a template called "good" already
    "#);
    let said = problems(&[folder.path().join("good.md.j2")], "goood");
    insta::assert_snapshot!(said, @r#"receivers.oncall.template: there is no template named "goood"; did you mean `good`? there are `good`, `alertmanager`, `github`, `generic`"#);
}

#[test]
fn a_template_that_can_never_work_is_a_problem_of_who_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = String::new();
    for (name, source) in [
        ("filter", "{% extends 'alertmanager' %}{% block item %}{{ item.name|shout }}{% endblock %}"),
        ("parent", "{% extends 'base' %}"),
        ("bare", "just text"),
        (
            "endless",
            "{% extends 'alertmanager' %}{% block header %}{% for a in range(99999) %}.{% endfor %}{% endblock %}",
        ),
        ("fine", "{% extends 'alertmanager' %}{% block item %}{{ item.annotations.level|int }}{% endblock %}"),
    ] {
        std::fs::write(folder.path().join(format!("{name}.md.j2")), source).unwrap();
        said += &problems(&[folder.path().to_owned()], name);
    }
    insta::assert_snapshot!(said, @r#"
    receivers.oncall.template: the template "filter" can never work: unknown filter: filter shout is unknown (in filter:1)
    receivers.oncall.template: the template "parent" can never work: template not found: template "base" does not exist (in parent:1)
    receivers.oncall.template: the template "bare" can never work: it has to begin with {% extends "alertmanager" %}
    receivers.oncall.template: the template "endless" can never work: engine ran out of fuel (in endless:1)
    "#);
}

fn problems(places: &[std::path::PathBuf], template: &str) -> String {
    let mut engine = engine::engine().unwrap();
    let found = files::load(&mut engine, places);
    let asked = [("oncall".parse().unwrap(), template)];
    let problems = files::problems(&engine, found, asked.iter().map(|(name, template)| (name, *template)));
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn every_shipped_template_compiles() {
    let engine = engine::engine().unwrap();
    for (name, _) in engine::BUILT_IN {
        assert!(engine::extends_the_layout(&engine, name), "{name}");
    }
}

fn outside_text() -> impl Strategy<Value = String> {
    let specials = "[-_*#>`~<>&!+=|:.0-9()\\[\\]{}\\\\ \n\t$^@/'\"a]{0,12}";
    prop_oneof![
        any::<String>(),
        specials,
        "[0-9]{1,3}[.)][ a]",
        "(https?://|<)[a-z./_*]{1,9}>?",
        "&[a-z#0-9]{1,5};",
        "[-=+]{1,4}"
    ]
}

prop_compose! {
    fn any_item()(
        name in outside_text(),
        labels in btree_map(outside_text(), outside_text(), 0..4),
        annotations in btree_map(prop_oneof![Just("summary".to_owned()), Just("description".to_owned()),
            Just("runbook_url".to_owned()), Just("message".to_owned()), outside_text()], outside_text(), 0..4),
        (status, severity) in (0_usize..3, 0_usize..3),
        (since, until) in (any::<i32>(), proptest::option::of(any::<i32>())),
        url in proptest::option::of(outside_text()),
    ) -> Item {
        let at = |second: i32| jiff::Timestamp::from_second(i64::from(second)).unwrap();
        let status = [Status::Firing, Status::Resolved, Status::Notice][status];
        Item { labels, annotations, since: at(since), until: until.map(at), url,
            ..item(&name, Severity::ALL[severity], status) }
    }
}

#[test]
fn an_item_keeps_few_labels_short_clean_and_as_they_are() {
    let many: Vec<_> = (0..40).map(|n| (format!("l{n:02}"), "v".repeat(n * 10))).collect();
    let mut alert = item("HighCPU", Severity::Critical, Status::Firing);
    alert.labels.extend(many);
    alert.labels.extend(labels(&[("__tmp", "x"), ("a_b", " *bold*\n<b>\u{202e} "), ("pod", "api-7f")]));
    let kept = content(&event(vec![alert])).items.remove(0).labels;

    assert_eq!(kept[0], ("a_b".to_owned(), "*bold* <b>".to_owned()), "whoever makes markdown of it escapes it");
    assert_eq!(kept[1], ("cluster".to_owned(), "prod".to_owned()));
    assert_eq!(kept.len(), 24);
    assert!(kept.iter().all(|(key, value)| !value.is_empty() && value.chars().count() <= 100 && key != "l00"));
    let said = ["alertname", "severity", "__tmp"];
    assert!(kept.iter().all(|(key, _)| !said.contains(&key.as_str())), "{kept:?}");
}

proptest! {
    /// Whatever it is and wherever it stands: in a line of its own, after a line, in a line, in bold, in a list.
    #[test]
    fn a_text_from_outside_shows_as_itself(outside in outside_text()) {
        let engine = engine::engine().unwrap();
        let clean = outside::cleaned(&outside);
        for (template, before, after) in [
            ("{{ x }}", "", ""),
            ("before\n{{ x }}\nafter", "before\n", "\nafter"),
            ("**k:** {{ x }}.", "⟨Start(Strong)⟩k: ", "."),
            ("{{ y }}{{ x }}{{ y }}", "y", "y"),
            ("> {{ x }}", "⟨Start(BlockQuote(None))⟩", ""),
        ] {
            let values = minijinja::context! { x => outside.as_str(), y => "y" };
            let markdown = markdown::tidy(&engine.render_str(template, values).unwrap());
            if !clean.is_empty() {
                prop_assert_eq!(seen(&markdown), format!("{before}{clean}{after}"), "as {:?}", markdown);
            }
        }
    }

    #[test]
    fn the_plain_built_in_renders_every_event(items in vec(any_item(), 0..4), truncated in any::<u64>()) {
        let event = Event { truncated, ..event(items) };
        let items: Vec<_> = event.items.iter().collect();
        let overview = Overview::of(&event, &items, &Audience::default());
        let content = super::content(&overview, plain::render(&overview));
        prop_assert!(!content.title.is_empty() && content.title.chars().count() <= LONGEST_TITLE);
        prop_assert!(!content.header.is_empty());
        prop_assert_eq!(content.items.len(), items.len());
        prop_assert!(content.items.iter().all(|item| !item.body.is_empty() && !item.short.contains('\n')));
    }

    #[test]
    fn the_built_in_templates_never_need_a_stand_in(items in vec(any_item(), 1..4), truncated in any::<u64>()) {
        let event = Event { truncated, ..event(items) };
        let items: Vec<_> = event.items.iter().collect();
        let renderer = renderer("");
        let overview = Overview::of(&event, &items, &Audience::default());
        for template in ["alertmanager", "github", "generic"] {
            let parts = renderer.parts(template, &overview, &"oncall".parse().unwrap(), &Audience::default());
            prop_assert!(parts.is_ok(), "{:?}", parts);
            for part in parts.unwrap().items {
                prop_assert!(!seen(&part.body).contains("Html") && !part.short.contains('\n'));
            }
        }
    }
}
