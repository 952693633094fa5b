//! What the API of Prometheus answers, v1: <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use std::str::FromStr;

use chaos_core::{error::Source, metrics::UnknownReason};
use serde::{Deserialize, de::IgnoredAny};

use crate::source::{MAX_EXCERPT, excerpt, transport::RequestError};

/// Why a query has no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// There is no answer at all.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The server refused the query, or failed to evaluate it.
    #[error("HTTP {status}, {kind}: {message}")]
    Rejected {
        /// The HTTP status: 400 for a query that does not parse, 422 for one that cannot be evaluated, 503 for one that took too long.
        status: u16,
        /// Its kind in the words of the API: `bad_data`, `execution`, `timeout`.
        kind: String,
        /// What the server says.
        message: String,
    },
    /// The status is not 200 and the body is none of the API.
    #[error("HTTP {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The body is not what the API promises.
    #[error("the answer is not one of the Prometheus API")]
    Malformed(#[source] Source),
    /// The query yields a string or a range, not a number.
    #[error("the query yields a {0}, not one number")]
    ResultType(&'static str),
    /// The query yields a native histogram.
    #[error("the query yields a native histogram, not one number")]
    Histogram,
    /// The server warns, so the value may stand for a part of the data only.
    #[error("the server warns: {0}")]
    Warning(String),
}

/// A number and its time stamp.
#[derive(Debug, PartialEq)]
pub(super) struct Point {
    /// Milliseconds since 1970.
    pub(super) at_millis: f64,
    /// Perhaps not finite.
    pub(super) value: f64,
}

/// The one point of an answer, or why a sound answer holds none.
pub(super) fn parse(status: u16, body: &[u8]) -> Result<Result<Point, UnknownReason>, QueryError> {
    let envelope: Envelope = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(_) if status != 200 => return Err(QueryError::Status { status }),
        Err(error) => return Err(QueryError::Malformed(error.into())),
    };
    match (envelope.data, envelope.status) {
        (Some(data), ApiStatus::Success) if status == 200 => {
            envelope.warnings.first().map_or(Ok(()), |warning| Err(warned(warning)))?;
            data.point()
        }
        (None, ApiStatus::Success) if status == 200 => Err(QueryError::Malformed("no `data`".into())),
        (_, ApiStatus::Success) => Err(QueryError::Status { status }),
        (_, ApiStatus::Error) => Err(QueryError::Rejected {
            status,
            kind: excerpt(&envelope.error_type.unwrap_or_default(), 64),
            message: excerpt(&envelope.error.unwrap_or_default(), MAX_EXCERPT),
        }),
    }
}

fn warned(warning: &str) -> QueryError {
    QueryError::Warning(excerpt(warning, MAX_EXCERPT))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: ApiStatus,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ApiStatus {
    Success,
    Error,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Scalar(Pair),
    String(IgnoredAny),
    Matrix(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    value: Option<Pair>,
    histogram: Option<IgnoredAny>,
}

/// Seconds since 1970, and a number as text.
#[derive(Deserialize)]
struct Pair(f64, String);

impl Data {
    fn point(self) -> Result<Result<Point, UnknownReason>, QueryError> {
        let series = match self {
            Self::Scalar(pair) => return pair.point().map(Ok),
            Self::String(_) => return Err(QueryError::ResultType("string")),
            Self::Matrix(_) => return Err(QueryError::ResultType("matrix")),
            Self::Vector(series) => series,
        };
        let count = series.len();
        match series.into_iter().next() {
            None => Ok(Err(UnknownReason::Empty)),
            Some(_) if count > 1 => Ok(Err(UnknownReason::Ambiguous(count))),
            Some(Series { value: Some(pair), .. }) => pair.point().map(Ok),
            Some(Series { histogram: Some(_), .. }) => Err(QueryError::Histogram),
            Some(_) => Err(QueryError::Malformed("a series without a value".into())),
        }
    }
}

impl Pair {
    fn point(self) -> Result<Point, QueryError> {
        let value = f64::from_str(&self.1).map_err(|error| QueryError::Malformed(error.into()))?;
        Ok(Point { at_millis: self.0 * 1000.0, value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::explain;

    fn told(status: u16, body: &str) -> String {
        match parse(status, body.as_bytes()) {
            Ok(Ok(point)) => format!("{} at {}", point.value, point.at_millis),
            Ok(Err(why)) => format!("unknown: {why}"),
            Err(error) => format!("error: {}", explain(&error)),
        }
    }

    #[test]
    fn every_answer_is_a_number_or_a_reason() {
        let success = |data: &str| format!(r#"{{"status":"success","data":{data}}}"#);
        let vector = |series: &str| success(&format!(r#"{{"resultType":"vector","result":[{series}]}}"#));
        let value = |text: &str| vector(&format!(r#"{{"metric":{{}},"value":[1700000000.5,"{text}"]}}"#));
        let cases = [
            ("a number", 200, value("0.25")),
            ("an exponent", 200, value("1e-05")),
            ("NaN", 200, value("NaN")),
            ("+Inf", 200, value("+Inf")),
            ("-Inf", 200, value("-Inf")),
            ("overflow", 200, value("1e999")),
            ("no number", 200, value("many")),
            ("empty", 200, vector("")),
            ("two", 200, vector(r#"{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"2"]}"#)),
            ("histogram", 200, vector(r#"{"metric":{},"histogram":[1,{"count":"1","sum":"1","buckets":[]}]}"#)),
            ("neither", 200, vector(r#"{"metric":{}}"#)),
            ("number as value", 200, vector(r#"{"metric":{},"value":[1,2]}"#)),
            ("scalar", 200, success(r#"{"resultType":"scalar","result":[1700000000,"2"]}"#)),
            ("result first", 200, success(r#"{"result":[1700000000,"2"],"resultType":"scalar"}"#)),
            ("string", 200, success(r#"{"resultType":"string","result":[1,"2"]}"#)),
            ("matrix", 200, success(r#"{"resultType":"matrix","result":[]}"#)),
            ("other type", 200, success(r#"{"resultType":"tensor","result":[]}"#)),
            ("no data", 200, r#"{"status":"success"}"#.to_owned()),
            ("warning", 200, r#"{"status":"success","warnings":["store down"],"data":{"resultType":"scalar","result":[1,"2"]}}"#.to_owned()),
            ("info", 200, r#"{"status":"success","infos":["a gauge"],"data":{"resultType":"scalar","result":[1,"2"]}}"#.to_owned()),
            ("parse error", 400, r#"{"status":"error","errorType":"bad_data","error":"1:3: parse error"}"#.to_owned()),
            ("evaluation", 422, r#"{"status":"error","errorType":"execution","error":"many-to-many"}"#.to_owned()),
            ("error with 200", 200, r#"{"status":"error","errorType":"timeout","error":"too slow"}"#.to_owned()),
            ("success with 500", 500, value("1")),
            ("html with 502", 502, "<html>".to_owned()),
            ("html with 200", 200, "<html>".to_owned()),
            ("empty body", 200, String::new()),
            ("cut", 200, value("1")[..40].to_owned()),
        ];
        let told: Vec<String> =
            cases.iter().map(|(name, status, body)| format!("{name}: {}", told(*status, body))).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    proptest! {
        #[test]
        fn a_written_number_is_read_back(value: f64, at in 0_u32..u32::MAX) {
            let body = format!(
                r#"{{"status":"success","data":{{"resultType":"scalar","result":[{at},"{value}"]}}}}"#
            );
            let point = parse(200, body.as_bytes()).unwrap().unwrap();
            prop_assert_eq!(point.at_millis, f64::from(at) * 1000.0);
            prop_assert!(point.value == value || point.value.is_nan() && value.is_nan());
        }

        #[test]
        fn no_body_panics(status in 100_u16..600, body: Vec<u8>) {
            let _ = parse(status, &body);
        }

        #[test]
        fn no_cut_or_changed_answer_is_a_number_by_accident(cut in 0_usize..80) {
            let body = br#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"2"]}}"#;
            prop_assume!(cut < body.len());
            prop_assert!(parse(200, &body[..cut]).is_err());
        }
    }
}
