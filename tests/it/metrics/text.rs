//! What a scrape says, taken apart: Prometheus' text format, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a series.
pub type Labels = BTreeMap<String, String>;

/// Everything a scrape said.
#[derive(Debug)]
pub struct Scrape {
    /// By metric: what it is for.
    pub helps: BTreeMap<String, String>,
    /// By metric: `counter`, `gauge` or `histogram`.
    pub types: BTreeMap<String, String>,
    /// Every line with a value.
    pub samples: Vec<(String, Labels, f64)>,
}

impl Scrape {
    /// Reads a scrape; a line that is none, a metric that is told twice, and a series that is told twice, fail.
    pub fn of(text: &str) -> Self {
        let mut scrape = Self { helps: BTreeMap::new(), types: BTreeMap::new(), samples: vec![] };
        let mut seen = BTreeSet::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert_eq!(scrape.helps.insert(name.to_owned(), help.to_owned()), None, "{line} again");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(scrape.types.insert(name.to_owned(), kind.to_owned()), None, "{line} again");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(seen.insert(series.to_owned()), "{series} again");
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let labels = labels_of(labels.strip_suffix('}').unwrap());
                scrape.samples.push((name.to_owned(), labels, value.parse().unwrap()));
            }
        }
        scrape
    }

    /// The value of a series, written as in PromQL: `name{label="value"}`. The labels are all it has.
    pub fn value(&self, series: &str) -> Option<f64> {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels_of(labels.strip_suffix('}').unwrap());
        self.samples.iter().find(|(n, l, _)| n == name && *l == labels).map(|(_, _, value)| *value)
    }

    /// Every series of a metric; of a histogram, its buckets, sum and count.
    pub fn of_metric(&self, metric: &str) -> Vec<&(String, Labels, f64)> {
        let parts = [metric.to_owned(), format!("{metric}_bucket"), format!("{metric}_sum"), format!("{metric}_count")];
        let is_histogram = self.types.get(metric).is_some_and(|kind| kind == "histogram");
        let names = if is_histogram { &parts[1..] } else { &parts[..1] };
        self.samples.iter().filter(|(name, ..)| names.contains(name)).collect()
    }
}

/// The labels of these tests hold neither a comma nor a quotation mark.
fn labels_of(text: &str) -> Labels {
    let label = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    text.split(',').filter(|pair| !pair.is_empty()).map(label).collect()
}
