//! From text to a value with places, by the events of the YAML parser: no anchors, no tags, no second document.

use serde_json::{Map, Number, Value};
use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScalarStyle, Span};

use crate::{
    error::Problem,
    spec::{Place, Step, write_steps},
    text::excerpt,
};

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 20_000;

/// Reads one YAML document.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, Place), Vec<Problem>> {
    let text = decode(bytes).map_err(|problem| vec![problem])?;
    let mut reader = Reader { events: parser(text), problems: Vec::new(), path: Vec::new(), nodes: 0 };
    let root = reader.document().map_err(|problem| vec![problem])?;
    if reader.problems.is_empty() { Ok(root) } else { Err(reader.problems) }
}

fn parser(text: &str) -> Parser<'_, impl serde_saphyr::granit_parser::BorrowedInput<'_>> {
    let mut options = Options::default();
    options.disallow_directives = true;
    options.emit_comments = false;
    options.flow_nesting_limit = 2 * MAX_DEPTH;
    options.block_nesting_limit = 2 * MAX_DEPTH;
    Parser::new_from_str_with_options(text, options)
}

/// UTF-8 without a byte order mark and without control characters, of at most a mebibyte.
fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_BYTES} are allowed", bytes.len());
        return Err(Problem::new("", message));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Err(Problem::new("", "the file begins with a byte order mark")
            .hint("save it without one")
            .at(1, 1));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(&bytes[..error.valid_up_to()]);
        Problem::new("", "the file is not UTF-8").hint("save it as UTF-8").at(line, column)
    })?;
    match text.find(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        None => Ok(text),
        Some(at) => {
            let found: String = text[at..].chars().take(1).flat_map(char::escape_default).collect();
            let (line, column) = position(&bytes[..at]);
            Err(Problem::new("", format!("the file has the control character {found}")).at(line, column))
        }
    }
}

/// The line and column after `before`, both from 1.
fn position(before: &[u8]) -> (u64, u64) {
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count();
    (line as u64 + 1, column as u64 + 1)
}

struct Reader<I> {
    events: I,
    problems: Vec<Problem>,
    path: Vec<Step>,
    nodes: usize,
}

type Node = (Value, Place);

impl<'a, I, E> Reader<I>
where
    I: Iterator<Item = Result<(Event<'a>, Span), E>>,
    E: Into<serde_saphyr::granit_parser::ScanError>,
{
    fn document(&mut self) -> Result<Node, Problem> {
        let root = loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => return Err(empty()),
                event => break self.node(event, span)?,
            }
        };
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentStart(..) => {
                    return Err(self
                        .problem("a second document begins here", span)
                        .hint("one file is one experiment"));
                }
                Event::StreamEnd if root.0.is_null() => return Err(empty()),
                Event::StreamEnd => return Ok(root),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let error = error.into();
                let (line, column) = at(*error.marker());
                if *error.kind() == ErrorKind::RecursionLimitExceeded {
                    return Err(Problem::new("", too_deep()).at(line, column));
                }
                Err(Problem::new("", format!("not YAML: {}", excerpt(&error.kind().to_string())))
                    .at(line, column))
            }
            None => Err(Problem::new("", "the file ends too early")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Problem> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.problem(format!("the file has more than {MAX_NODES} values"), span));
        }
        if self.path.len() > MAX_DEPTH {
            self.path.truncate(1);
            return Err(self.problem(too_deep(), span));
        }
        self.refuse_properties(&event, span);
        let place = Place { at: at(span.start), ..Place::default() };
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => Ok((self.plain(&text, span), place)),
            Event::Scalar(text, ..) => Ok((Value::String(text.into_owned()), place)),
            Event::SequenceStart(..) => self.list(place),
            Event::MappingStart(..) => self.map(place),
            _ => {
                let problem = self.problem("an alias is not allowed", span).hint("write the value out");
                self.problems.push(problem);
                Ok((Value::Null, place))
            }
        }
    }

    fn within(&mut self, step: Step, event: Event<'a>, span: Span) -> Result<Node, Problem> {
        self.path.push(step);
        let node = self.node(event, span);
        self.path.pop();
        node
    }

    fn list(&mut self, mut place: Place) -> Result<Node, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((Value::Array(items), place));
            }
            let step = Step::Index(items.len());
            let (value, within) = self.within(step.clone(), event, span)?;
            place.within.insert(step, within);
            items.push(value);
        }
    }

    fn map(&mut self, mut place: Place) -> Result<Node, Problem> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((Value::Object(members), place));
            }
            let key = self.key(event, span)?;
            let step = Step::Key(key.clone());
            let (event, value_span) = self.next()?;
            let (value, mut within) = self.within(step.clone(), event, value_span)?;
            within.key = Some(at(span.start));
            if let Some(first) = place.within.get(&step) {
                let (line, column) = first.key.unwrap_or(first.at);
                let problem = self.problem(format!("the key `{}` is there twice", excerpt(&key)), span);
                self.problems.push(problem.hint(format!("first at {line}:{column}")));
                continue;
            }
            place.within.insert(step, within);
            members.insert(key, value);
        }
    }

    fn key(&mut self, event: Event<'a>, span: Span) -> Result<String, Problem> {
        self.refuse_properties(&event, span);
        if let Event::Scalar(text, ..) = event {
            return Ok(text.into_owned());
        }
        let problem = self.problem("a key is a single word", span);
        self.problems.push(problem);
        self.within(Step::Key(String::new()), event, span).map(|_| String::new())
    }

    fn refuse_properties(&mut self, event: &Event<'a>, span: Span) {
        if event.anchor_id().is_some() {
            let problem = self.problem("an anchor is not allowed", span).hint("write the value out");
            self.problems.push(problem);
        }
        if let Some(tag) = event.tag() {
            let (line, column) = at(span.tag_start.unwrap_or(span.start));
            let message = format!("the tag `{}` is not allowed", excerpt(&tag.original()));
            let problem = self.problem(message, span).hint("quote a text, leave a number bare");
            self.problems.push(problem.at(line, column));
        }
    }

    fn problem(&self, message: impl Into<String>, span: Span) -> Problem {
        let (line, column) = at(span.start);
        Problem::new(write_steps(&self.path), message).at(line, column)
    }

    /// Numbers are decimal, without leading zeros and underscores, and fit; everything else is the text that was written.
    fn plain(&mut self, text: &str, span: Span) -> Value {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
            "true" | "True" | "TRUE" => return Value::Bool(true),
            "false" | "False" | "FALSE" => return Value::Bool(false),
            _ => {}
        }
        let lower = text.to_ascii_lowercase();
        let unsigned = lower.trim_start_matches(['+', '-']);
        if matches!(unsigned, ".nan" | ".inf") {
            let problem = self.problem(format!("`{}` is not a finite number", excerpt(text)), span);
            self.problems.push(problem);
            return Value::Null;
        }
        if !is_number(text) {
            return Value::String(text.to_owned());
        }
        number(text).map_or_else(|| self.too_large(text, span), Value::Number)
    }

    fn too_large(&mut self, text: &str, span: Span) -> Value {
        let problem = self.problem(format!("the number `{}` does not fit", excerpt(text)), span);
        self.problems.push(problem);
        Value::Null
    }
}

fn too_deep() -> String {
    format!("values are nested deeper than {MAX_DEPTH}")
}

fn empty() -> Problem {
    Problem::new("", "the file is empty").hint("an experiment begins with version: 1")
}

fn at(marker: Marker) -> (u64, u64) {
    (marker.line() as u64, marker.col() as u64 + 1)
}

/// `[-+]? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [-+]? [0-9]+)?`
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

/// A whole number of 64 bits exactly, or a finite fraction.
fn number(text: &str) -> Option<Number> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text.contains(['.', 'e', 'E']) {
        return text.parse().ok().and_then(Number::from_f64);
    }
    let unsigned = text.parse::<u64>().map(Number::from);
    unsigned.or_else(|_| text.parse::<i64>().map(Number::from)).ok()
}
