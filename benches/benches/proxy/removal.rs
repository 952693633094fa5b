//! How long a toxic still works after its removal was called, while the proxy is busy.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use chaos_injectors::proxy::{Toxic, ToxicKind};

use crate::{
    Effort,
    arms::{Arm, Kind, loopback},
    exactness::timerfd,
    report::{Report, digits, median, quantile},
};

const BACKGROUND: usize = 2;

/// From the call of the removal to the arrival of a byte that the toxic held, beside one byte there and back through
/// the same busy proxy without a toxic.
pub(crate) fn removal(effort: Effort, report: &mut Report) {
    let kinds = [
        ToxicKind::Latency { latency: Duration::from_secs(60), jitter: Duration::ZERO },
        ToxicKind::Bandwidth { rate: 1 },
        ToxicKind::Timeout { timeout: None },
    ];
    for kind in kinds {
        for vanished in [false, true] {
            let rounds: Vec<_> = (0..effort.samples).map(|_| once(kind, vanished)).collect();
            let (times, echoes): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
            let load = if vanished { "clients vanished" } else { "under load" };
            let name = |what| format!("removal: {}, {load}, {what}", kind.name());
            let beside = |q| format!("{} ms an echo", digits(quantile(&echoes, q)));
            report.note(&name("p50"), median(&times), "ms", &beside(0.5));
            // More threads run than there are processors: a p99 is then the scheduler's, which the echo shows.
            let goal = quantile(&echoes, 0.99).max(5.0).ceil();
            report.at_most(&name("p99"), quantile(&times, 0.99), "ms", &beside(0.99), goal);
        }
    }
}

fn once(kind: ToxicKind, vanished: bool) -> (f64, f64) {
    let arm = Arm::start(Kind::Ours, flood());
    let mut probe = TcpStream::connect(arm.addr).expect("the proxy listens");
    ask(&mut probe);
    let background: Vec<TcpStream> = (0..BACKGROUND).map(|_| background(arm.addr)).collect();
    let toxics = arm.toxics();
    toxics.add_toxic(Toxic::new("held", kind)).expect("a valid toxic");
    while toxics.report("held").is_none_or(|held| held.connections < 1 + BACKGROUND as u64) {
        thread::yield_now();
    }
    let asked = toxics.counters().bytes_upstream;
    probe.write_all(b"p").expect("the proxy is alive");
    while toxics.counters().bytes_upstream == asked {
        thread::yield_now();
    }
    // The server's answer is on its way to the toxic.
    timerfd(Duration::from_millis(5));
    let readers: Vec<_> = if vanished {
        background.iter().for_each(reset);
        drop(background);
        Vec::new()
    } else {
        background.into_iter().map(|stream| thread::spawn(move || swallow(stream))).collect()
    };
    let start = Instant::now();
    toxics.remove_toxic("held").expect("it is there");
    probe.read_exact(&mut [0]).expect("the held byte arrives");
    let took = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    ask(&mut probe);
    let echo = start.elapsed().as_secs_f64() * 1e3;
    drop(arm);
    readers.into_iter().for_each(|reader| reader.join().expect("a reader ends with its stream"));
    (took, echo)
}

fn ask(probe: &mut TcpStream) {
    probe.write_all(b"p").expect("the proxy is alive");
    probe.read_exact(&mut [0]).expect("the server answers");
}

/// A connection whose server sends without end.
fn background(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("the proxy listens");
    stream.write_all(b"f").expect("the proxy is alive");
    stream.read_exact(&mut [0; 4096]).expect("the flood begins");
    stream
}

fn swallow(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}

fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).expect("an open socket");
}

/// A server that answers `p` with one byte each time and `f` with a flood.
fn flood() -> SocketAddr {
    let listener = TcpListener::bind(loopback()).expect("a free port on loopback");
    let addr = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for stream in listener.incoming().take(1 + BACKGROUND).flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

fn serve(mut stream: TcpStream) {
    let mut asked = [0];
    while stream.read_exact(&mut asked).is_ok() {
        match asked {
            [b'p'] if stream.write_all(b"p").is_err() => return,
            [b'f'] => return pour(&stream),
            _ => {}
        }
    }
}

fn pour(mut to: &TcpStream) {
    let bulk = vec![3; 64 << 10];
    while to.write_all(&bulk).is_ok() {}
}
