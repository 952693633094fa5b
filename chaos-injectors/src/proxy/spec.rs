//! What each toxic is asked to do, as data: the serde forms of an experiment file, and their own builders.

use std::{fmt, time::Duration};

use chaos_core::{
    error::{PlanError, Problem},
    units::{ByteSize, HumanDuration, Percent, Rate},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};

use super::{
    ToxicFault,
    engine::{ProxyHandle, Stream, ToxicKind},
};

const MAX_DURATION: Duration = Duration::from_secs(24 * 3_600);

/// The retransmission time-out of a connection that has not measured one yet on Linux (`TCP_RTO_MIN`).
const DEFAULT_RTO: HumanDuration = HumanDuration::from_millis(200);

/// The data of one toxic, which [`ToxicFault`] makes a fault of an experiment.
///
/// Unknown fields are errors when it is read. Nothing else is checked until [`ToxicSpec::validate`], which every use
/// as a fault goes through.
pub trait ToxicSpec: fmt::Debug + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind under which journals and experiment files know the fault, such as `proxy.latency`.
    const KIND: &'static str;

    /// The engine's form.
    fn toxic(&self) -> ToxicKind;

    /// The direction.
    fn direction(&self) -> Stream;

    /// The share of the connections.
    fn share(&self) -> Percent;

    /// Everything that is wrong with it.
    fn problems(&self) -> Vec<Problem>;

    /// Checks it.
    ///
    /// # Errors
    /// [`PlanError`] with every problem.
    fn validate(&self) -> Result<(), PlanError> {
        PlanError::check(Self::KIND, self.problems())
    }

    /// The fault on this proxy.
    fn on(self, proxy: &ProxyHandle) -> ToxicFault<Self> {
        ToxicFault::on(self, proxy)
    }

    /// The fault on the proxy of this name, which has to live in this process when the fault is prepared.
    fn on_named(self, proxy: impl Into<String>) -> ToxicFault<Self> {
        ToxicFault::on_named(self, proxy)
    }
}

const fn hundred() -> Percent {
    Percent::HUNDRED
}

macro_rules! toxic_spec {
    (
        $(#[$doc:meta])*
        $name:ident($kind:literal) {
            $($(#[$serde:meta])* $field:ident: $type:ty),* $(,)?
        }
        toxic: |$this:ident| $toxic:expr,
        problems: |$checked:ident| $problems:expr,
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[must_use = "a spec does nothing until it is put on a proxy"]
        pub struct $name {
            $($(#[$serde])* $field: $type,)*
            #[serde(default)]
            stream: Stream,
            #[serde(default = "hundred")]
            toxicity: Percent,
        }

        impl $name {
            /// Sets the direction; downstream unless set.
            pub const fn stream(mut self, stream: Stream) -> Self {
                self.stream = stream;
                self
            }

            /// Sets the share of the connections, drawn for each from the fault's seed; 100 % unless set.
            pub const fn toxicity(mut self, share: Percent) -> Self {
                self.toxicity = share;
                self
            }
        }

        impl ToxicSpec for $name {
            const KIND: &'static str = $kind;

            fn toxic(&self) -> ToxicKind {
                let $this = self;
                $toxic
            }

            fn direction(&self) -> Stream {
                self.stream
            }

            fn share(&self) -> Percent {
                self.toxicity
            }

            fn problems(&self) -> Vec<Problem> {
                let $checked = self;
                $problems.into_iter().flatten().collect()
            }
        }

        const _: () = {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct OnProxy {
                proxy: ProxyName,
                $($(#[$serde])* $field: $type,)*
                #[serde(default)]
                stream: Stream,
                #[serde(default = "hundred")]
                toxicity: Percent,
            }

            impl<'de> Deserialize<'de> for ToxicFault<$name> {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let OnProxy { proxy, $($field,)* stream, toxicity } = OnProxy::deserialize(deserializer)?;
                    Ok(ToxicFault::on_named($name { $($field,)* stream, toxicity }, proxy.0))
                }
            }
        };
    };
}

/// The name of a proxy as a file writes it.
struct ProxyName(String);

impl<'de> Deserialize<'de> for ProxyName {
    /// An option, because serde reads a field that is not there as none: so the error can say what to write.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = |what| D::Error::custom(format_args!("{what}: write for example `proxy: db`"));
        match Option::<String>::deserialize(deserializer)? {
            Some(name) if !name.is_empty() => Ok(Self(name)),
            Some(_) => Err(wrong("the name of the proxy is empty")),
            None => Err(wrong("missing field `proxy`")),
        }
    }
}

toxic_spec! {
    /// Every byte arrives later, in order.
    ///
    /// ```
    /// use chaos_core::units::{HumanDuration, Percent};
    /// use chaos_injectors::proxy::{Latency, Stream, ToxicSpec};
    ///
    /// let slow = Latency::new(HumanDuration::from_millis(200))
    ///     .jitter(HumanDuration::from_millis(20))
    ///     .stream(Stream::Both)
    ///     .toxicity(Percent::whole(50));
    /// assert!(slow.validate().is_ok());
    /// ```
    Latency("proxy.latency") {
        latency: HumanDuration,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jitter: Option<HumanDuration>,
    }
    toxic: |spec| ToxicKind::Latency { latency: spec.latency.get(), jitter: or_zero(spec.jitter) },
    problems: |spec| [
        too_long("latency", Some(spec.latency)),
        spec.jitter.filter(|jitter| *jitter > spec.latency).map(|jitter| {
            let message = format!("`{jitter}` is more than the latency of `{}`", spec.latency);
            Problem::new("jitter", message).hint("a delay cannot be negative")
        }),
    ],
}

impl Latency {
    /// A delay of every byte.
    pub const fn new(latency: HumanDuration) -> Self {
        Self { latency, jitter: None, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }

    /// Draws each delay evenly from the latency minus to plus this; at most the latency itself.
    pub const fn jitter(mut self, jitter: HumanDuration) -> Self {
        self.jitter = Some(jitter);
        self
    }
}

toxic_spec! {
    /// At most so many bytes a second pass on each connection.
    Bandwidth("proxy.bandwidth") {
        rate: Rate,
    }
    toxic: |spec| ToxicKind::Bandwidth { rate: spec.rate.bits_per_sec() / 8 },
    problems: |spec| [(spec.rate.bits_per_sec() < 8).then(|| {
        Problem::new("rate", format!("`{}` is less than a byte a second", spec.rate))
    })],
}

impl Bandwidth {
    /// A limit of the rate, in whole bytes a second.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }
}

toxic_spec! {
    /// The end of a stream is passed on later.
    SlowClose("proxy.slow_close") {
        delay: HumanDuration,
    }
    toxic: |spec| ToxicKind::SlowClose { delay: spec.delay.get() },
    problems: |spec| [too_long("delay", Some(spec.delay))],
}

impl SlowClose {
    /// A delay of the end of a stream.
    pub const fn new(delay: HumanDuration) -> Self {
        Self { delay, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }
}

toxic_spec! {
    /// Data stops; the connection closes after a while, or data goes on when the toxic goes.
    Timeout("proxy.timeout") {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<HumanDuration>,
    }
    toxic: |spec| ToxicKind::Timeout { timeout: spec.timeout.map(HumanDuration::get) },
    problems: |spec| [too_long("timeout", spec.timeout)],
}

impl Timeout {
    /// Holds all data until the toxic goes.
    pub const fn hold() -> Self {
        Self { timeout: None, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }

    /// Stops all data and closes each connection after this time.
    pub const fn after(timeout: HumanDuration) -> Self {
        Self { timeout: Some(timeout), stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }
}

toxic_spec! {
    /// Connections are reset (RST) on both sides.
    ResetPeer("proxy.reset_peer") {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<HumanDuration>,
    }
    toxic: |spec| ToxicKind::ResetPeer { timeout: or_zero(spec.timeout) },
    problems: |spec| [too_long("timeout", spec.timeout)],
}

impl ResetPeer {
    /// Resets each connection at once.
    pub const fn now() -> Self {
        Self { timeout: None, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }

    /// Resets each connection after this time; data passes until then.
    pub const fn after(timeout: HumanDuration) -> Self {
        Self { timeout: Some(timeout), stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }
}

toxic_spec! {
    /// A connection closes after so many bytes.
    LimitData("proxy.limit_data") {
        bytes: ByteSize,
    }
    toxic: |spec| ToxicKind::LimitData { bytes: spec.bytes.bytes() },
    problems: |_spec| [None],
}

impl LimitData {
    /// The bytes that still pass on a connection.
    pub const fn new(bytes: ByteSize) -> Self {
        Self { bytes, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }
}

toxic_spec! {
    /// Data goes in small pieces, with a pause after each.
    Slicer("proxy.slicer") {
        average_size: ByteSize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_variation: Option<ByteSize>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay: Option<HumanDuration>,
    }
    toxic: |spec| ToxicKind::Slicer {
        average_size: to_usize(spec.average_size),
        size_variation: spec.size_variation.map_or(0, to_usize),
        delay: or_zero(spec.delay),
    },
    problems: |spec| [
        (spec.average_size.bytes() == 0).then(|| Problem::new("average_size", "`0B` is no size of a piece")),
        spec.size_variation.filter(|variation| *variation >= spec.average_size).map(|variation| {
            let message = format!("`{variation}` is not less than the average size of `{}`", spec.average_size);
            Problem::new("size_variation", message).hint("a piece has at least one byte")
        }),
        too_long("delay", spec.delay),
    ],
}

impl Slicer {
    /// Pieces of this size.
    pub const fn new(average_size: ByteSize) -> Self {
        let (stream, toxicity) = (Stream::Downstream, Percent::HUNDRED);
        Self { average_size, size_variation: None, delay: None, stream, toxicity }
    }

    /// Draws each size evenly from the average minus to plus this; less than the average.
    pub const fn size_variation(mut self, variation: ByteSize) -> Self {
        self.size_variation = Some(variation);
        self
    }

    /// Pauses after each piece.
    pub const fn delay(mut self, delay: HumanDuration) -> Self {
        self.delay = Some(delay);
        self
    }
}

toxic_spec! {
    /// The proxy refuses new connections and closes the open ones; the direction says nothing.
    Down("proxy.down") {}
    toxic: |_spec| ToxicKind::Down,
    problems: |_spec| [None],
}

impl Down {
    /// A proxy that is down.
    pub const fn new() -> Self {
        Self { stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }
}

impl Default for Down {
    fn default() -> Self {
        Self::new()
    }
}

toxic_spec! {
    /// Chunks wait for one retransmission time-out with some probability; no byte is lost.
    PacketLoss("proxy.packet_loss") {
        percent: Percent,
        #[serde(default = "default_rto")]
        rto: HumanDuration,
    }
    toxic: |spec| ToxicKind::PacketLoss { probability: spec.percent.fraction(), rto: spec.rto.get() },
    problems: |spec| [too_long("rto", Some(spec.rto))],
}

const fn default_rto() -> HumanDuration {
    DEFAULT_RTO
}

impl PacketLoss {
    /// The share of the chunks that are held, with a time-out of 200 ms.
    pub const fn new(percent: Percent) -> Self {
        Self { percent, rto: DEFAULT_RTO, stream: Stream::Downstream, toxicity: Percent::HUNDRED }
    }

    /// Sets the retransmission time-out.
    pub const fn rto(mut self, rto: HumanDuration) -> Self {
        self.rto = rto;
        self
    }
}

fn or_zero(duration: Option<HumanDuration>) -> Duration {
    duration.map_or(Duration::ZERO, HumanDuration::get)
}

fn to_usize(size: ByteSize) -> usize {
    usize::try_from(size.bytes()).unwrap_or(usize::MAX / 2)
}

fn too_long(path: &str, duration: Option<HumanDuration>) -> Option<Problem> {
    let long = duration.filter(|duration| duration.get() > MAX_DURATION)?;
    Some(Problem::new(path, format!("`{long}` is out of range: at most 24h")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong<T: ToxicSpec>(spec: &T) -> String {
        spec.validate().unwrap_err().to_string()
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let day = HumanDuration::from_secs(25 * 3_600);
        let size = |bytes| ByteSize::from_bytes(bytes).unwrap();
        let errors = [
            wrong(&Latency::new(HumanDuration::from_millis(200)).jitter(HumanDuration::from_millis(300))),
            wrong(&Latency::new(day).jitter(HumanDuration::from_secs(26 * 3_600))),
            wrong(&Bandwidth::new(Rate::from_bits_per_sec(7).unwrap())),
            wrong(&Slicer::new(size(100)).size_variation(size(100)).delay(day)),
            wrong(&Timeout::after(day)),
            wrong(&PacketLoss::new(Percent::whole(1)).rto(day)),
        ];
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn files_are_read_strictly() {
        fn read<T: ToxicSpec>(text: &str) -> String {
            serde_json::from_str::<T>(text).unwrap_err().to_string()
        }
        let errors = [
            read::<Latency>(r#"{"latency":"0"}"#),
            read::<Latency>(r#"{"latency":"5"}"#),
            read::<Latency>(r#"{"latency":5}"#),
            read::<Latency>(r#"{"latncy":"5ms"}"#),
            read::<Latency>(r#"{"latency":"5ms","stream":"sideways"}"#),
            read::<Latency>(r#"{"latency":"5ms","toxicity":0}"#),
            read::<Latency>(r#"{"latency":"5ms","toxicity":101}"#),
            read::<Bandwidth>(r#"{"rate":"0bit"}"#),
            read::<LimitData>(r#"{"bytes":"-1B"}"#),
            read::<PacketLoss>(r#"{"percent":"50"}"#),
            read::<Down>(r#"{"delay":"1s"}"#),
        ];
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn specs_survive_a_round_trip() {
        fn trip<T: ToxicSpec + PartialEq>(spec: &T) -> String {
            let text = serde_json::to_string(spec).unwrap();
            assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *spec);
            text
        }
        let ms = HumanDuration::from_millis;
        let size = |bytes| ByteSize::from_bytes(bytes).unwrap();
        let texts = [
            trip(&Latency::new(ms(200)).jitter(ms(20)).stream(Stream::Both).toxicity(Percent::whole(50))),
            trip(&Bandwidth::new(Rate::from_bytes_per_sec(1_000).unwrap())),
            trip(&SlowClose::new(ms(5))),
            trip(&Timeout::hold()),
            trip(&Timeout::after(ms(5))),
            trip(&ResetPeer::now()),
            trip(&LimitData::new(size(1_024))),
            trip(&Slicer::new(size(100)).size_variation(size(10)).delay("50us".parse().unwrap())),
            trip(&Down::new()),
            trip(&PacketLoss::new(Percent::whole(5))),
        ];
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn fractions_of_a_millisecond_are_kept() {
        let spec: Latency = serde_json::from_str(r#"{"latency":"0.5ms"}"#).unwrap();
        let latency = Duration::from_micros(500);
        assert_eq!(spec.toxic(), ToxicKind::Latency { latency, jitter: Duration::ZERO });
    }
}
