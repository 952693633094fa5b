//! Laws that hold for every log.

use chrono::{DateTime, TimeDelta, Utc};
use incident_model::metrics::{MetricDef, Missing, Preset};
use incident_model::{
    Diagnostic, Error, EventKind, Incident, Milestone, Origin, Precision, Severity, Timeline, TimelineEvent,
};
use proptest::prelude::*;
use proptest::sample::select;

const PRECISIONS: [Precision; 6] = [
    Precision::Second,
    Precision::Minute,
    Precision::Hour,
    Precision::Day,
    Precision::Approximate,
    Precision::Unknown,
];

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    let coarse = (0..20_i64).prop_map(|minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute));
    let fine = (0..4_000_000_000_000_000_000_i64).prop_map(DateTime::from_timestamp_nanos);
    prop_oneof![3 => coarse, 1 => fine]
}

fn milestone() -> impl Strategy<Value = Milestone> {
    let custom = "[a-z]{1,8}".prop_filter_map("means a built-in one", |name| Milestone::custom(&name).ok());
    prop_oneof![8 => select(Milestone::BUILT_IN.to_vec()), 1 => custom]
}

fn event() -> impl Strategy<Value = TimelineEvent> {
    let severity = select(Severity::ALL.to_vec());
    let event = prop_oneof![
        4 => (instant(), milestone()).prop_map(|(at, milestone)| TimelineEvent::milestone(at, milestone)),
        2 => (instant(), severity).prop_map(|(at, severity)| TimelineEvent::severity(at, severity)),
        1 => instant().prop_map(|at| TimelineEvent::note(at, "")),
    ];
    (event, any::<String>(), select(PRECISIONS.to_vec()))
        .prop_map(|(event, text, precision)| event.with_text(text).with_precision(precision))
}

fn events() -> impl Strategy<Value = Vec<TimelineEvent>> {
    proptest::collection::vec(event(), 0..24)
}

fn incident() -> impl Strategy<Value = Incident> {
    let origin = prop_oneof![
        Just(Origin::Real),
        Just(Origin::GameDay),
        "[!-~]{1,20}".prop_map(|id| Origin::Experiment(id.parse().expect("printable ASCII"))),
    ];
    let prose = proptest::option::of("[ -~\n]{0,20}x");
    ("[!-~]{1,128}", "[ -~é]{0,40}x", select(Severity::ALL.to_vec()), origin, prose, events()).prop_map(
        |(id, title, severity, origin, prose, events)| {
            let mut builder = Incident::builder(id, title).severity(severity).origin(origin).events(events);
            if let Some(text) = prose {
                builder = builder.root_cause(&text).impact(text);
            }
            builder.build().expect("the parts are valid")
        },
    )
}

fn contradictions(timeline: &Timeline) -> Vec<Diagnostic> {
    let mut found = timeline.diagnostics();
    found.retain(|finding| matches!(finding, Diagnostic::MilestonesReversed { .. }));
    found
}

proptest! {
    #[test]
    fn the_fold_does_not_depend_on_the_order_of_recording(
        (events, shuffled) in events().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        at in instant(),
    ) {
        let (a, b) = (Timeline::from_iter(events), Timeline::from_iter(shuffled));
        prop_assert_eq!(a.milestones(), b.milestones());
        prop_assert_eq!(a.severity_steps(), b.severity_steps());
        prop_assert_eq!(a.severity_at(at), b.severity_at(at));
        prop_assert_eq!(contradictions(&a), contradictions(&b));
        for preset in Preset::ALL {
            prop_assert_eq!(preset.definition().measure(&a), preset.definition().measure(&b));
        }
    }

    #[test]
    fn a_milestone_is_reached_at_its_earliest_event(events in events()) {
        let timeline = Timeline::from_iter(events.clone());
        for (milestone, at) in timeline.milestones() {
            let kind = EventKind::Milestone(milestone.clone());
            let earliest = events.iter().filter(|event| *event.kind() == kind).map(TimelineEvent::at).min();
            prop_assert_eq!(Some(at), earliest);
            prop_assert_eq!(timeline.reached_at(&milestone), earliest);
        }
    }

    #[test]
    fn no_event_is_lost_and_late_ones_are_reported(events in events()) {
        let timeline = Timeline::from_iter(events.clone());
        prop_assert_eq!(timeline.events(), &events[..]);
        prop_assert_eq!(timeline.chronological().len(), events.len());
        let late = timeline.diagnostics().len() - contradictions(&timeline).len();
        let sorted = events.iter().map(TimelineEvent::at).is_sorted();
        prop_assert_eq!(late == 0, sorted);
    }

    #[test]
    fn severity_holds_from_its_step_on(events in events()) {
        let timeline = Timeline::from_iter(events);
        let steps = timeline.severity_steps();
        prop_assert!(steps.windows(2).all(|pair| pair[0].from < pair[1].from && pair[0].severity != pair[1].severity));
        for step in &steps {
            prop_assert_eq!(timeline.severity_at(step.from), Some(step.severity));
        }
        if let Some(first) = steps.first() {
            prop_assert_eq!(timeline.severity_at(first.from - TimeDelta::nanoseconds(1)), None);
        }
    }

    #[test]
    fn a_duration_is_the_difference_or_an_error_and_never_negative(from in instant(), to in instant()) {
        let log = Timeline::from_iter([
            TimelineEvent::milestone(to, Milestone::Resolved),
            TimelineEvent::milestone(from, Milestone::Detected),
        ]);
        match Preset::SeedMttr.definition().measure(&log) {
            Ok(Some(value)) => {
                prop_assert_eq!(from + TimeDelta::from_std(value.value()).unwrap(), to);
                prop_assert!(value.minutes() >= 0.0);
            }
            Ok(None) => prop_assert!(false, "both ends are reached"),
            Err(error) => {
                let is_reversed = matches!(error, Error::EndBeforeStart { .. });
                prop_assert!(is_reversed && to < from);
            }
        }
    }

    #[test]
    fn censoring_grows_with_now_and_fails_before_the_start(from in instant(), now in instant()) {
        let log = Timeline::from_iter([TimelineEvent::milestone(from, Milestone::Detected)]);
        let metric = MetricDef::new("open", Milestone::Detected, Milestone::Closed).unwrap();
        let metric = metric.with_missing(Missing::CensorAtNow);
        match metric.measure_at(&log, now) {
            Ok(value) => prop_assert!(value.is_some_and(|value| value.is_censored() && value.to_at() == now)),
            Err(error) => {
                let is_early = matches!(error, Error::NowBeforeStart { .. });
                prop_assert!(is_early && now < from);
            }
        }
    }

    #[test]
    fn an_incident_survives_serde(incident in incident()) {
        let json = serde_json::to_string(&incident).unwrap();
        prop_assert_eq!(serde_json::from_str::<Incident>(&json).unwrap(), incident);
    }

    #[test]
    fn a_listing_has_one_line_an_event_and_one_a_day(events in events()) {
        let timeline = Timeline::from_iter(events.clone());
        let mut days: Vec<_> = events.iter().map(|event| event.at().date_naive()).collect();
        days.sort();
        days.dedup();
        let text = timeline.to_string();
        prop_assert_eq!(text.lines().count(), events.len() + days.len());
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn parsing_any_text_gives_a_value_or_an_error(text in any::<String>()) {
        if let Ok(severity) = text.parse::<Severity>() {
            prop_assert_eq!(severity.to_string().parse(), Ok(severity));
        }
        if let Ok(milestone) = text.parse::<Milestone>() {
            prop_assert_eq!(milestone.to_string().parse(), Ok(milestone));
        }
        if let Ok(milestone) = Milestone::custom(&text) {
            prop_assert_eq!(milestone.to_string().parse(), Ok(milestone));
        }
    }
}
