//! The rows of bad-inputs.md that concern the experiment file. Each snapshot is what the one who wrote the file reads.

use std::fmt::Write;

use chaos_core::file::ExperimentFile;

const WHOLE: &str = "\
version: 1
title: Slow database
faults:
  - kind: proxy.latency
    spec: { latency: 200ms }
limits:
  max_duration: 5m
window: always
duration: 30s
";

/// A whole file in which `part` is written otherwise.
fn with(part: &str, otherwise: &str) -> String {
    assert!(WHOLE.contains(part), "{part}");
    WHOLE.replacen(part, otherwise, 1)
}

/// A whole file with one more line.
fn and(line: &str) -> String {
    format!("{WHOLE}{line}\n")
}

fn error(bytes: &[u8]) -> String {
    let error = ExperimentFile::parse_bytes("game.yaml", bytes).expect_err("it is bad");
    assert!(error.problems().iter().all(|problem| problem.message.chars().count() < 300), "{error}");
    error.to_string()
}

/// All inputs of a row, each with its error.
fn row(inputs: &[String]) -> String {
    inputs.iter().fold(String::new(), |mut text, input| {
        let changed: Vec<&str> =
            input.lines().filter(|line| !WHOLE.lines().any(|known| known == *line)).collect();
        writeln!(text, "| {}\n{}\n", changed.join(" / "), error(input.as_bytes())).unwrap();
        text
    })
}

fn share(percent: &str) -> String {
    with("  max_duration: 5m", &format!("  max_error_rate: {percent}"))
}

#[test]
fn the_whole_file_is_good() {
    ExperimentFile::parse("game.yaml", WHOLE).unwrap();
}

#[test]
fn row_17_a_radius_that_admits_nothing() {
    insta::assert_snapshot!(row(&[
        and("blast_radius: { max_targets: -1 }"),
        and("blast_radius: { max_share: 0% }"),
        and("blast_radius: { only: [ db ], protected: [ \"\" ] }"),
        and("blast_radius: 7"),
        and("blast_radius: { max_targets: }"),
        with("max_duration: 5m", "max_duration:"),
        and("hypothesis:"),
    ]));
}

#[test]
fn row_18_a_percentage_out_of_range() {
    insta::assert_snapshot!(row(&["0", "-1", "101", "1e9", "0%", "-1%", "101%", "1e9%"].map(share)));
}

#[test]
fn rows_19_and_20_a_number_that_is_not_finite() {
    insta::assert_snapshot!(row(
        &[".nan", ".inf", "-.Inf", ".NAN", "1e400", "-1e400", "1e400%", "NaN%"].map(share)
    ));
}

#[test]
fn row_21_a_percentage_of_the_wrong_form() {
    insta::assert_snapshot!(row(&["\"50\"", "50%%", "half", "[50]", "{ percent: 50 }", "true"].map(share)));
}

#[test]
fn row_22_a_limit_that_is_no_number() {
    insta::assert_snapshot!(row(&[
        with("max_duration: 5m", "error_rate: .nan"),
        with("max_duration: 5m", "max_latency_p99: .inf"),
        and("steady_state: { tolerances: [ error_rate < NaN, latency_p99 < 1e400s ] }"),
    ]));
}

#[test]
fn a_tolerance_without_its_unit() {
    let file = and("steady_state: { tolerances: [ error_rate < 5, latency_p99 < 500, error_rate < 0.05 ] }");
    insta::assert_snapshot!(error(file.as_bytes()), @r"
    game.yaml: 2 problems
      game.yaml:10:31: steady_state.tolerances[0]: `error_rate < 5` cannot be evaluated (write 5% or 0.05)
      game.yaml:10:47: steady_state.tolerances[1]: `latency_p99 < 500` cannot be evaluated (write a unit, such as 500ms or 2s)
    ");
}

#[test]
fn row_23_a_duration_of_the_wrong_form() {
    let durations =
        ["0", "\"0\"", "0s", "-5s", "5", "\"5\"", "1e30s", "5 parsecs", "99999999999999h", "", "s"];
    insta::assert_snapshot!(row(&durations.map(|text| with("duration: 30s", &format!("duration: {text}")))));
}

#[test]
fn row_24_a_duration_beyond_the_policy() {
    insta::assert_snapshot!(row(&[
        with("duration: 30s", "duration: 6m"),
        with("duration: 30s", "duration: 25h"),
        with("duration: 30s", "duration: 999us"),
    ]));
}

#[test]
fn row_26_values_that_contradict_each_other() {
    insta::assert_snapshot!(row(&[
        and("interval: 31s"),
        with("  - kind: proxy.latency", "  - kind: proxy.down\n    id: fault-2\n  - kind: proxy.latency"),
        with("window: always", "window: { only_during: { zone: UTC, from: \"09:00\", to: \"09:00\" } }"),
    ]));
}

#[test]
fn row_39_an_unknown_field() {
    insta::assert_snapshot!(row(&[
        with("limits:\n  max_duration: 5m", "limits:\n  max_duraton: 5m"),
        with("title", "titel"),
        with("    spec:", "    spek:"),
        and("dependsOn: [ other ]"),
        and("blast_radius: { max_target: 1 }"),
        with("window: always", "window: { only_during: { zone: UTC, form: \"09:00\", to: \"18:00\" } }"),
        with("window: always", "window: allways"),
        and("steady_state: { strategy: befor, tolerance: [] }"),
    ]));
}

#[test]
fn row_40_a_duplicate_key() {
    insta::assert_snapshot!(row(&[and("title: Again"), with("200ms }", "200ms, latency: 300ms }")]));
}

#[test]
fn row_41_a_file_of_the_wrong_encoding_or_number_of_documents() {
    let mut text = String::new();
    let mut say = |what: &str, bytes: &[u8]| writeln!(text, "| {what}\n{}\n", error(bytes)).unwrap();
    say("two documents", format!("{WHOLE}---\n{WHOLE}").as_bytes());
    say("empty", b"");
    say("only a comment", b"# nothing\n");
    say("only a null", b"---\n~\n");
    say("byte order mark", format!("\u{feff}{WHOLE}").as_bytes());
    say("UTF-16", &WHOLE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    say("NUL", with("Slow", "Sl\0w").as_bytes());
    say("escape sequence", with("Slow", "\u{1b}[31mSlow").as_bytes());
    say("invalid UTF-8", &[WHOLE.as_bytes(), b"seed: \xff\n"].concat());
    say("100 MiB", &vec![b' '; 100 << 20]);
    insta::assert_snapshot!(text);
}

#[test]
fn row_42_a_bomb() {
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b]\n".to_owned();
    let mut text = row(&[aliases]);
    let mut say =
        |what: &str, input: String| writeln!(text, "| {what}\n{}\n", error(input.as_bytes())).unwrap();
    say("100,000 brackets", "[".repeat(100_000));
    say("100,000 braces", "{a: ".repeat(100_000));
    say("100,000 dashes", "- ".repeat(100_000));
    say("33 brackets, closed", format!("a: {}{}", "[".repeat(33), "]".repeat(33)));
    say("30,000 values", format!("a: [{}]", "1,".repeat(30_000)));
    say("an alias to nothing", "a: *nothing".into());
    say("a merge key", and("<<: { seed: 1 }"));
    insta::assert_snapshot!(text);
}

#[test]
fn row_43_a_tag() {
    insta::assert_snapshot!(row(&[
        with("title: Slow", "title: !!python/object/apply:os.system Slow"),
        with("    spec: {", "    spec: !evil {"),
        and("seed: !!int 7"),
        "%YAML 1.1\n---\nversion: 1\n".into(),
    ]));
}

#[test]
fn row_44_numbers_of_other_languages_are_texts() {
    let seeds = ["no", "0777", "1_000", "0x1F", "1.5", "-1", "18446744073709551616"];
    insta::assert_snapshot!(row(&seeds.map(|seed| and(&format!("seed: {seed}")))));
    for title in ["no", "0777", "1_000", "on", "y"] {
        let file = ExperimentFile::parse("f", &with("Slow database", title)).unwrap();
        assert_eq!(file.experiment().name, title);
    }
}

#[test]
fn row_45_a_missing_section() {
    insta::assert_snapshot!(row(&[
        with("limits:\n  max_duration: 5m\n", ""),
        with("limits:\n  max_duration: 5m\n", "limits:\n"),
        with("title: Slow database\n", ""),
        with("version: 1\n", ""),
        with("  - kind: proxy.latency\n    spec: { latency: 200ms }\n", ""),
        with("  - kind: proxy.latency\n    spec: { latency: 200ms }\n", "  []\n"),
        with("kind: proxy.latency\n    spec", "spec"),
        "[]".into(),
        "just a text".into(),
    ]));
}

#[test]
fn row_46_a_version_that_is_not_1() {
    insta::assert_snapshot!(row(&["2", "0", "latest", "\"1\"", "1.0", ""]
        .map(|version| { with("version: 1", &format!("version: {version}")) })));
}

#[test]
fn row_48_too_many_faults_and_dependencies() {
    let many = format!("version: 1\ntitle: t\nlimits: {{}}\nfaults: [{}]\n", "{kind: a.b},".repeat(257));
    let mut text = format!("| 257 faults\n{}\n\n", error(many.as_bytes()));
    let steps = format!("version: 1\ntitle: t\nlimits: {{}}\nfaults: [{}]\n", "{kind: a.b},".repeat(10_000));
    write!(text, "| 10,000 faults\n{}\n\n", error(steps.as_bytes())).unwrap();
    text += &row(&[
        with("  - kind", "  - dependsOn: [ self ]\n    kind"),
        with("kind: proxy.latency", "kind: latency"),
        with("  - kind", "  - id: Slow DB\n    kind"),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn many_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "\
version: 1
titel: Slow database
steady_state:
  tolerances: [ All is well ]
faults:
  - kind: proxy
    spec: nothing
  - knd: proxy.down
limits: { max_error_rate: 0%, max_duration: 5, max_latency: 2s }
window: { never_during: { zone: Mars, from: 9am, to: \"18:00\", weekdays: [ Mon, Yesterday ] } }
duration: 5 parsecs
seed: -1
";
    insta::assert_snapshot!(error(text.as_bytes()));
}

#[test]
fn broken_yaml_is_told_at_its_place() {
    insta::assert_snapshot!(row(&[
        with("window: always", "window: [ always"),
        with("window: always", "\twindow: always"),
        with("window: always", "window: 'always"),
        with("window: always", "window always"),
        with("window: always", "? [ a ]\n: b"),
    ]));
}
