//! What a load is asked to do, as data, and the checked plan that comes of it.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use chaos_core::{
    error::{PlanError, Problem},
    units::HumanDuration,
};
use hyper::{
    HeaderMap, Method,
    header::{HOST, HeaderName, HeaderValue, USER_AGENT},
};
use serde::{Deserialize, Serialize};

use super::{
    KIND, Profile,
    profile::Curve,
    target::{LoadTarget, excerpt},
};

const MAX_DURATION: Duration = Duration::from_secs(24 * 3_600);
const MIN_DURATION: Duration = Duration::from_millis(1);
const MAX_CONNECTIONS: u32 = 20_000;
const MAX_PENDING: u32 = 10_000_000;
const MAX_WINDOW: Duration = Duration::from_secs(300);
const PENDING_SECONDS: f64 = 10.0;

/// A load over HTTP/1.1: where to, how many requests a second, for how long.
///
/// This is the serde form of an experiment file, and its own builder. Unknown fields are errors. Nothing is checked
/// until [`LoadSpec::plan`], which reports every problem at once.
///
/// ```
/// use chaos_core::units::HumanDuration;
/// use chaos_injectors::load::{LoadSpec, Profile};
///
/// let spec = LoadSpec::new("http://127.0.0.1:8080/orders", Profile::Constant { rate: 500.0 })
///     .duration(HumanDuration::from_secs(30))
///     .timeout(HumanDuration::from_secs(2))
///     .header("accept", "application/json");
/// assert!(spec.plan().is_ok());
/// assert!(LoadSpec::new("https://example.com", Profile::Constant { rate: 0.0 }).plan().is_err());
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct LoadSpec {
    url: String,
    profile: Profile,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<HumanDuration>,
    #[serde(default = "default_method")]
    method: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
    #[serde(default = "default_timeout")]
    timeout: HumanDuration,
    #[serde(default = "default_connections")]
    connections: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_pending: Option<u32>,
    #[serde(default = "default_window")]
    window: HumanDuration,
}

fn default_method() -> String {
    "GET".into()
}

const fn default_timeout() -> HumanDuration {
    HumanDuration::from_secs(10)
}

const fn default_connections() -> u32 {
    256
}

const fn default_window() -> HumanDuration {
    HumanDuration::from_secs(10)
}

impl LoadSpec {
    /// A load of GET requests. The duration is missing yet, and it is mandatory.
    pub fn new(url: impl Into<String>, profile: Profile) -> Self {
        Self {
            url: url.into(),
            profile,
            duration: None,
            method: default_method(),
            headers: BTreeMap::new(),
            body: String::new(),
            timeout: default_timeout(),
            connections: default_connections(),
            max_pending: None,
            window: default_window(),
        }
    }

    /// How long requests are started; 1 ms to 24 h, mandatory.
    pub const fn duration(mut self, duration: HumanDuration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The method; `GET` unless set. `CONNECT` is refused.
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Adds or replaces a header of every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// The body of every request; empty unless set.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// How long one request may take on its connection, connecting included; 10 s unless set.
    pub const fn timeout(mut self, timeout: HumanDuration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The most connections at once; 256 unless set, at most 20,000. They are opened when they are needed.
    ///
    /// By Little's law `rate x latency` of them are busy: 1,000 requests a second of 200 ms need 200.
    pub const fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// The most requests that wait for a connection before further ones are dropped (and counted); ten seconds of
    /// the highest rate unless set, at least 1,000.
    pub const fn max_pending(mut self, max_pending: u32) -> Self {
        self.max_pending = Some(max_pending);
        self
    }

    /// How far back the sliding statistics reach; 10 s unless set, whole seconds, at most 300 s.
    pub const fn window(mut self, window: HumanDuration) -> Self {
        self.window = window;
        self
    }

    /// The factor of a [`Profile::Multiple`] whose baseline is to be measured.
    #[must_use]
    pub const fn unmeasured(&self) -> Option<f64> {
        match self.profile {
            Profile::Multiple { times, baseline: None } => Some(times),
            _ => None,
        }
    }

    /// Sets the measured baseline, in requests a second, of a [`Profile::Multiple`]; other profiles stay as they are.
    pub const fn baseline(mut self, rate: f64) -> Self {
        if let Profile::Multiple { times, .. } = self.profile {
            self.profile = Profile::Multiple { times, baseline: Some(rate) };
        }
        self
    }

    /// Everything that is wrong with this spec; a baseline that is not measured yet is not wrong.
    ///
    /// # Errors
    /// [`PlanError`] with every problem: the URL, a rate that is zero or not finite, a missing duration, a ramp that
    /// is longer than the load.
    pub fn validate(&self) -> Result<(), PlanError> {
        let mut problems = self.profile.problems(self.duration);
        problems
            .extend(LoadTarget::parse(&self.url).err().map(|error| Problem::new("url", error.to_string())));
        problems.extend(self.duration_problem());
        problems.extend(method(&self.method).err());
        problems.extend(self.headers.iter().filter_map(|(name, value)| header(name, value).err()));
        problems.extend(in_range("connections", self.connections, MAX_CONNECTIONS));
        problems.extend(self.max_pending.and_then(|pending| in_range("max_pending", pending, MAX_PENDING)));
        problems.extend(self.window_problem());
        PlanError::check(KIND, problems)
    }

    /// Checks the spec and yields what a [`super::Load`] runs.
    ///
    /// # Errors
    /// As [`LoadSpec::validate`]; and a multiple whose baseline was not measured.
    pub fn plan(&self) -> Result<LoadPlan, PlanError> {
        self.validate()?;
        let problem = |path, message: &str| PlanError::new(KIND, vec![Problem::new(path, message)]);
        let target = LoadTarget::parse(&self.url).map_err(|error| problem("url", &error.to_string()))?;
        let unmeasured = || problem("profile.multiple.baseline", "the baseline was not measured yet");
        let curve = self.profile.curve().ok_or_else(unmeasured)?;
        let duration = self.duration.ok_or_else(|| problem("duration", MISSING_DURATION))?;
        Ok(LoadPlan {
            request: self.request(&target).map_err(|problem| PlanError::new(KIND, vec![problem]))?,
            target,
            curve,
            duration: duration.get(),
            timeout: self.timeout.get(),
            connections: self.connections as usize,
            max_pending: self.max_pending.unwrap_or_else(|| default_pending(&curve)) as usize,
            window: self.window.get().as_secs(),
        })
    }

    fn request(&self, target: &LoadTarget) -> Result<RequestTemplate, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("chaos-injectors/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(HOST, header("host", target.authority())?.1);
        for (name, value) in &self.headers {
            let (name, value) = header(name, value)?;
            headers.insert(name, value);
        }
        Ok(RequestTemplate { method: method(&self.method)?, headers, body: Bytes::from(self.body.clone()) })
    }

    fn duration_problem(&self) -> Option<Problem> {
        let Some(duration) = self.duration else {
            return Some(
                Problem::new("duration", MISSING_DURATION).hint("write for example `duration: 30s`"),
            );
        };
        let allowed = (MIN_DURATION..=MAX_DURATION).contains(&duration.get());
        (!allowed).then(|| Problem::new("duration", format!("`{duration}` is out of range: 1ms to 24h")))
    }

    fn window_problem(&self) -> Option<Problem> {
        let window = self.window.get();
        let allowed = window.subsec_nanos() == 0 && window <= MAX_WINDOW;
        (!allowed).then(|| {
            Problem::new("window", format!("`{}` is not a whole number of seconds up to 300s", self.window))
        })
    }
}

impl fmt::Debug for LoadSpec {
    /// Names the headers and leaves out their values and the body, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadSpec")
            .field("url", &self.url)
            .field("profile", &self.profile)
            .field("duration", &self.duration)
            .field("method", &self.method)
            .field("headers", &self.headers.keys())
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("max_pending", &self.max_pending)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

const MISSING_DURATION: &str = "a load needs a duration";

/// A checked load: what [`super::Load::start`] runs. Built by [`LoadSpec::plan`] only.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    pub(crate) target: LoadTarget,
    pub(crate) curve: Curve,
    pub(crate) duration: Duration,
    pub(crate) request: RequestTemplate,
    pub(crate) timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) max_pending: usize,
    pub(crate) window: u64,
}

impl LoadPlan {
    /// Where the load goes.
    #[must_use]
    pub const fn target(&self) -> &LoadTarget {
        &self.target
    }

    /// How long requests are started.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// The same load, ending after `limit` at the latest.
    #[must_use]
    pub fn at_most(mut self, limit: Duration) -> Self {
        self.duration = self.duration.min(limit);
        self
    }

    /// The mean of the asked rate over the whole duration, in requests a second.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        if seconds > 0.0 { self.curve.count(self.duration) / seconds } else { 0.0 }
    }
}

/// What every request of a load looks like.
#[derive(Clone)]
pub(crate) struct RequestTemplate {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTemplate").field("method", &self.method).finish_non_exhaustive()
    }
}

fn default_pending(curve: &Curve) -> u32 {
    (curve.peak() * PENDING_SECONDS).clamp(1_000.0, f64::from(MAX_PENDING)) as u32
}

fn method(text: &str) -> Result<Method, Problem> {
    let wrong = || Problem::new("method", format!("`{}` is not a method of a load", excerpt(text)));
    let method =
        Method::from_bytes(text.as_bytes()).map_err(|_| wrong().hint("write for example GET or POST"))?;
    if method == Method::CONNECT { Err(wrong().hint("a load does not open tunnels")) } else { Ok(method) }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let path = format!("headers.{}", excerpt(name));
    let parsed: HeaderName = name.parse().map_err(|_| Problem::new(&path, "not a header name"))?;
    if FRAMING.contains(&parsed.as_str()) {
        return Err(Problem::new(path, "this header is set by the load itself"));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Problem::new(path, "the value holds a control character").hint("the value is not shown")
    })?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// Headers that say where a message ends; a wrong one would break the connection and not the target.
const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "connection", "upgrade"];

fn in_range(path: &str, value: u32, most: u32) -> Option<Problem> {
    (!(1..=most).contains(&value))
        .then(|| Problem::new(path, format!("`{value}` is out of range: 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> LoadSpec {
        LoadSpec::new("http://127.0.0.1:1/", Profile::Constant { rate: 100.0 })
            .duration(HumanDuration::from_secs(1))
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let spec = LoadSpec::new("https://u:p@h/", Profile::Constant { rate: f64::NAN })
            .method("GE T")
            .header("bad name", "x")
            .header("x-ok", "line\nbreak")
            .header("Content-Length", "3")
            .connections(0)
            .max_pending(0)
            .window(HumanDuration::from_millis(1_500));
        insta::assert_snapshot!(spec.plan().unwrap_err(), @r"
        load.http: 10 problems
          profile.constant.rate: `NaN` is not a finite number
          url: the URL holds credentials: use a header instead
          duration: a load needs a duration (write for example `duration: 30s`)
          method: `GE T` is not a method of a load (write for example GET or POST)
          headers.Content-Length: this header is set by the load itself
          headers.bad name: not a header name
          headers.x-ok: the value holds a control character (the value is not shown)
          connections: `0` is out of range: 1 to 20000
          max_pending: `0` is out of range: 1 to 10000000
          window: `1500ms` is not a whole number of seconds up to 300s
        ");
    }

    #[test]
    fn profiles_that_cannot_be_run() {
        let profiles = [
            Profile::Constant { rate: 0.0 },
            Profile::Constant { rate: -1.0 },
            Profile::Constant { rate: f64::INFINITY },
            Profile::Constant { rate: 2e6 },
            Profile::Ramp { from: -1.0, to: 0.0, over: HumanDuration::from_secs(2) },
            Profile::Multiple { times: f64::NAN, baseline: Some(0.0) },
            Profile::Multiple { times: 1_000.0, baseline: Some(5_000.0) },
        ];
        let errors = profiles.map(|profile| LoadSpec { profile, ..good() }.plan().unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"), @r"
        load.http: 1 problem
          profile.constant.rate: `0` is out of range: 0.001 to 1000000
        load.http: 1 problem
          profile.constant.rate: `-1` is out of range: 0.001 to 1000000
        load.http: 1 problem
          profile.constant.rate: `inf` is not a finite number
        load.http: 1 problem
          profile.constant.rate: `2000000` is out of range: 0.001 to 1000000
        load.http: 3 problems
          profile.ramp.from: `-1` is out of range: 0 to 1000000
          profile.ramp.to: `0` is out of range: 0.001 to 1000000
          profile.ramp.over: the ramp of 2s is longer than the load of 1s (shorten the ramp, or lengthen `duration`)
        load.http: 2 problems
          profile.multiple.times: `NaN` is not a finite number
          profile.multiple.baseline: `0` is out of range: 0.001 to 1000000
        load.http: 1 problem
          profile.multiple: 1000 times 5000 is out of range: 0.001 to 1000000 requests a second
        ");
    }

    #[test]
    fn urls_and_durations_that_cannot_be_run() {
        let with = |url: &str, duration| LoadSpec { url: url.into(), duration, ..good() };
        let errors = [
            with("http://user:secret@host/", Some(HumanDuration::from_secs(1))),
            with("ftp://host/", Some(HumanDuration::from_secs(1))),
            with("http://host/", None),
            with("http://host/", Some(HumanDuration::from_secs(90_000))),
        ]
        .map(|spec| spec.plan().unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"), @r"
        load.http: 1 problem
          url: the URL holds credentials: use a header instead
        load.http: 1 problem
          url: scheme `ftp` is not supported: write http://host:port/path
        load.http: 1 problem
          duration: a load needs a duration (write for example `duration: 30s`)
        load.http: 1 problem
          duration: `25h` is out of range: 1ms to 24h
        ");
    }

    #[test]
    fn an_unmeasured_baseline_is_valid_but_no_plan() {
        let spec = LoadSpec { profile: Profile::Multiple { times: 10.0, baseline: None }, ..good() };
        assert_eq!(spec.unmeasured(), Some(10.0));
        assert!(spec.validate().is_ok());
        insta::assert_snapshot!(spec.plan().unwrap_err(), @r"
        load.http: 1 problem
          profile.multiple.baseline: the baseline was not measured yet
        ");
        assert_eq!(spec.baseline(12.0).plan().unwrap().mean_rate(), 120.0);
    }

    #[test]
    fn files_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<LoadSpec>(text).unwrap_err().to_string();
        let errors = [
            r#"{"url":"http://h/","profile":{"constant":{"rate":1}},"duraton":"1s"}"#,
            r#"{"url":"http://h/","profile":{"constant":{"rat":1}}}"#,
            r#"{"url":"http://h/","profile":{"steady":{"rate":1}}}"#,
            r#"{"url":"http://h/","profile":{"constant":{"rate":1}},"duration":"5"}"#,
            r#"{"url":"http://h/"}"#,
        ]
        .map(read);
        insta::assert_snapshot!(errors.join("\n"), @r"
        unknown field `duraton`, expected one of `url`, `profile`, `duration`, `method`, `headers`, `body`, `timeout`, `connections`, `max_pending`, `window` at line 1 column 62
        unknown field `rat`, expected `rate` at line 1 column 47
        unknown variant `steady`, expected one of `constant`, `ramp`, `multiple` at line 1 column 38
        duration `5` has no unit: use one of ns, us, ms, s, m, h at line 1 column 67
        missing field `profile` at line 1 column 19
        ");
    }

    #[test]
    fn a_spec_survives_a_round_trip() {
        let spec = good().method("POST").header("x-a", "b").body("text").max_pending(5);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<LoadSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn debug_keeps_secrets() {
        let spec = good().header("authorization", "Bearer hunter2").body("hunter2");
        let shown = format!("{spec:?} {:?}", spec.plan().unwrap());
        assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
    }
}
