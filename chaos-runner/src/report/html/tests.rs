use std::{borrow::Cow, time::Duration};

use chaos_core::{
    criterion::{Criterion, Outcome},
    experiment::{Experiment, ExperimentStatus, Observation, Phase},
    injector::Effect,
    metrics::{Metrics, UnknownReason},
    probe::Judgement,
    undo::Reverted,
};
use proptest::prelude::*;

use super::STYLE;
use crate::report::{AbortReason, Conclusion, Ending, RunReport, testing};

/// One element a line, so that a change can be read; without the style sheet and the version.
fn readable(report: &RunReport) -> String {
    let version = concat!("chaos-runner ", env!("CARGO_PKG_VERSION"));
    let page =
        report.to_html().replace(STYLE, "/* the style sheet */").replace(version, "chaos-runner [version]");
    page.replace("><", ">\n<")
}

#[test]
fn a_page() {
    insta::assert_snapshot!("aborted_page", readable(&testing::aborted()));
}

#[test]
fn the_page_of_a_run_that_was_refused() {
    insta::assert_snapshot!("refused_page", readable(&testing::refused()));
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = testing::left_behind().to_html();
    for reference in ["<script", "<link", "<img", "src=", "href=", "url(", "@import", "http:", "https:"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn a_run_without_anything_has_a_page() {
    let page = testing::empty().to_html();
    assert!(!page.contains("<svg"), "{page}");
    assert!(page.contains("a safety policy panicked"), "{page}");
}

#[test]
fn an_unknown_value_breaks_the_line_and_is_never_a_zero() {
    let mut report = testing::empty();
    for (millis, value) in [(0, Some(0.5)), (1_000, None), (2_000, Some(0.5))] {
        let mut metrics = Metrics::new();
        match value {
            Some(value) => metrics.insert("error_rate", value),
            None => metrics.insert_unknown("error_rate", UnknownReason::Empty),
        }
        report.experiment.observe(Observation::new(testing::at(millis), Phase::Observation, metrics));
    }
    let page = report.to_html();
    let line = page.split("class=\"line\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert_eq!(line.matches('M').count(), 2, "{line}");
    assert_eq!(line.matches('L').count(), 0, "{line}");
    let charts = page.split("class=\"charts\"").nth(1).unwrap();
    assert_eq!(charts.matches("<circle class=\"point").count(), 2, "{charts}");
    assert!(page.contains("unknown: no data at +1 s"), "{page}");
}

#[test]
fn a_day_of_samples_makes_a_page_of_a_bounded_size() {
    let mut report = testing::empty();
    for second in 0..86_400 {
        let value = if second == 40_000 { 1.0 } else { f64::from(second % 7) / 1_000.0 };
        let metrics = Metrics::from([("error_rate", value)]);
        let at = testing::at(i64::from(second) * 1_000);
        report.experiment.observe(Observation::new(at, Phase::Observation, metrics));
    }
    let page = report.to_html();
    assert!(page.len() < 600_000, "{} bytes", page.len());
    assert!(page.contains("100% at +11.11 h"), "the one peak is drawn");
}

/// Text that tries to get out of its place.
const MARKUP: &str = "\"'></text></title></svg></style><script>alert(1)</script><b x='&amp;\u{202e}\u{0}";

#[test]
fn markup_from_outside_never_appears_as_markup() {
    let page = hostile(MARKUP).to_html();
    assert_tame(&page, MARKUP);
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown as text");
}

fn assert_tame(page: &str, text: &str) {
    for mark in ["<script", "<b x", "\u{202e}", "\u{0}"] {
        assert!(!page.contains(mark), "{mark:?} of {text:?}");
    }
    assert_eq!(page.matches("</style>").count(), 1, "of {text:?}");
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count(), "of {text:?}");
}

/// A report with this text in every place that comes from outside.
fn hostile(text: &str) -> RunReport {
    let mut report = testing::left_behind();
    let mut experiment = Experiment::builder(format!("x{text}"))
        .hypothesis(text)
        .blast_radius(text)
        .rollback_plan(text)
        .success_criteria(text)
        .build()
        .unwrap();
    experiment.transition(ExperimentStatus::Running, testing::at(0)).unwrap();
    for millis in [0, 1_500, 3_500] {
        let mut metrics = Metrics::new();
        metrics.insert(Cow::Owned(text.to_owned()), 0.5);
        metrics.insert_unknown("broken", UnknownReason::Failed(text.to_owned()));
        experiment.observe(Observation::new(testing::at(millis), Phase::Observation, metrics));
    }
    report.experiment = experiment;
    report.conclusion = Conclusion::Failed(text.into());
    report.ending = Ending::Aborted(AbortReason::Breach(vec![chaos_core::safety::Reason::new(text, text)]));
    report.criteria[0].criterion = Criterion::parse(text);
    report.criteria[0].outcome = Outcome::NotEvaluated { why: text.into() };
    report.steady_after = Some(Judgement::Deviated { reasons: vec![text.into()] });
    for phase in &mut report.phases {
        phase.note = text.into();
    }
    let fault = &mut report.faults[0];
    fault.effect = Some(Effect::absent(text).figure(text, 1.0, f64::NAN, text));
    let undo = fault.undo.as_mut().unwrap();
    undo.how = Reverted::Stuck { why: text.into() };
    undo.manual = Some(text.into());
    report
}

/// Figures as a source may yield them; `None` is unknown.
fn figures() -> impl Strategy<Value = Vec<(i64, Option<f64>)>> {
    let value = prop_oneof![
        any::<f64>().prop_map(Some),
        (-2.0..2.0).prop_map(Some),
        Just(Some(0.0)),
        Just(Some(f64::MAX)),
        Just(Some(f64::MIN_POSITIVE)),
        Just(None),
    ];
    prop::collection::vec((-10_000_i64..10_000_000, value), 0..30)
}

fn with_figures(looks: &[(i64, Option<f64>)], duration: Duration) -> RunReport {
    let mut report = testing::aborted();
    report.recovered_in = Some(duration);
    for (millis, value) in looks {
        for name in ["error_rate", "latency_p50", "queue_length"] {
            let mut metrics = Metrics::new();
            match value {
                Some(value) => metrics.insert(name, *value),
                None => metrics.insert_unknown(name, UnknownReason::TimedOut),
            }
            let phase = if millis % 2 == 0 { Phase::Observation } else { Phase::Verification };
            report.experiment.observe(Observation::new(testing::at(*millis), phase, metrics));
        }
    }
    report
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_gets_out_of_its_place(before in "[<>\"'&/a-z!-]{0,12}", after in any::<String>()) {
        let text = format!("{before}<script>{after}<b x>");
        assert_tame(&hostile(&text).to_html(), &text);
    }

    #[test]
    fn whatever_the_figures_are_the_picture_has_only_numbers(looks in figures(), millis in 0_u64..100_000) {
        let page = with_figures(&looks, Duration::from_millis(millis)).to_html();
        for drawing in page.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()) {
            prop_assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{drawing}");
        }
    }
}
