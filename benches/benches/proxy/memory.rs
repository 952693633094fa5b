//! Resident memory a connection that is open and idle, each arm in a fresh process.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write, stdin, stdout},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use crate::{
    Effort,
    arms::{Arm, Kind, loopback},
    report::{Report, digits},
};

/// Marks a run of this program that only hosts a proxy.
pub(crate) const CHILD: &str = "--host-proxy";

/// Resident KiB a connection at the effort's number of idle ones, after a byte went each way.
pub(crate) fn idle(effort: Effort, report: &mut Report) {
    raise_descriptors();
    let ours = measure(Kind::Ours, effort.idle);
    let tokio = measure(Kind::Tokio, effort.idle);
    let beside = format!("{} KiB of tokio copy", digits(tokio));
    report.at_most(&format!("memory: a connection of {} idle", effort.idle), ours, "KiB", &beside, 3.3);
}

fn measure(kind: Kind, connections: usize) -> f64 {
    let listener = TcpListener::bind(loopback()).expect("a free port on loopback");
    let server = listener.local_addr().expect("a bound listener has an address");
    let accepting = thread::spawn(move || (0..connections).map(|_| answer(&listener)).collect::<Vec<_>>());
    let mut host = Host::start(kind, server);
    let before = host.resident();
    let clients: Vec<TcpStream> = (0..connections).map(|_| ask(host.addr)).collect();
    let servers = accepting.join().expect("every connection is accepted");
    let after = host.resident();
    drop((clients, servers));
    (after - before) / connections as f64
}

fn answer(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().expect("descriptors for all connections");
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("the client sends a byte");
    stream.write_all(&byte).expect("the client is there");
    stream
}

fn ask(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("the proxy listens");
    stream.write_all(b"?").expect("the proxy is there");
    stream.read_exact(&mut [0]).expect("the server answers");
    stream
}

/// The process that hosts a proxy.
struct Host {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    addr: SocketAddr,
}

impl Host {
    fn start(kind: Kind, upstream: SocketAddr) -> Self {
        let program = env::current_exe().expect("a program knows its file");
        #[expect(
            clippy::disallowed_methods,
            reason = "each arm needs a fresh process; a bench is no library"
        )]
        let mut command = Command::new(program);
        command.args([CHILD, &format!("{kind:?}={upstream}")]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program starts again");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped"));
        let addr = line(&mut lines).parse().expect("it says its address");
        Self { child, lines, addr }
    }

    /// KiB.
    fn resident(&mut self) -> f64 {
        let stdin = self.child.stdin.as_mut().expect("its input is piped");
        stdin.write_all(b"\n").expect("it listens");
        line(&mut self.lines).parse().expect("it says its size")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).expect("the child answers");
    line.trim().to_owned()
}

/// Hosts a proxy until the input ends; each line asks for the resident size in KiB.
pub(crate) fn child(arm: &str) {
    raise_descriptors();
    let (kind, upstream) = arm.split_once('=').expect("an arm and an address");
    let kind = if kind == "Ours" { Kind::Ours } else { Kind::Tokio };
    let arm = Arm::start(kind, upstream.parse().expect("an address"));
    println!("{}", arm.addr);
    for _ in stdin().lock().lines() {
        // The thread has done what it had to when it answers.
        arm.cpu();
        println!("{}", resident());
        let _ = stdout().flush();
    }
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has a size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("the size is a number")
}

fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
