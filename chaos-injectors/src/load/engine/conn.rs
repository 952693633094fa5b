use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::load::spec::RequestTemplate;

/// Why a request got no whole response.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the connection broke")]
    Protocol(#[source] hyper::Error),
}

/// One HTTP/1.1 connection that is driven by the task that uses it, which saves a wake-up between two tasks for
/// every request.
#[derive(Debug)]
pub(super) struct Conn {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
}

impl Conn {
    pub(super) async fn open(addresses: &[SocketAddr]) -> Result<Self, Failure> {
        let stream = TcpStream::connect(addresses).await.map_err(Failure::Connect)?;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Protocol)?;
        Ok(Self { sender, driver: Driver(Some(Box::pin(connection))) })
    }

    /// Waits until the connection can take a request; `false` once it is closed.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.driver.drive(self.sender.ready()).await.is_ok()
    }

    /// Waits until the server closes the idle connection.
    pub(super) async fn closed(&mut self) {
        poll_fn(|cx| self.driver.poll(cx)).await;
    }

    /// Sends one request and reads its whole response; `None` if the connection closed before anything was written.
    pub(super) async fn exchange(
        &mut self,
        template: &RequestTemplate,
        path: &Uri,
    ) -> Result<Option<u16>, Failure> {
        let response = self.sender.try_send_request(request(template, path));
        match self.driver.drive(response).await {
            Ok(response) => self.drain(response).await.map(Some),
            Err(mut error) => match error.take_message() {
                Some(_unsent) => Ok(None),
                None => Err(Failure::Protocol(error.into_error())),
            },
        }
    }

    async fn drain(&mut self, response: Response<Incoming>) -> Result<u16, Failure> {
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while !body.is_end_stream()
            && let Some(frame) = self.driver.drive(body.frame()).await
        {
            frame.map_err(Failure::Protocol)?;
        }
        Ok(status)
    }
}

fn request(template: &RequestTemplate, path: &Uri) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(template.body.clone()));
    *request.method_mut() = template.method.clone();
    *request.uri_mut() = path.clone();
    *request.headers_mut() = template.headers.clone();
    request
}

/// The half of a hyper connection that moves the bytes; empty once the connection is closed.
///
/// It is dropped then, since that is what tells hyper's other half, which would wait for ever otherwise.
#[derive(Debug)]
struct Driver(Option<Pin<Box<Connection>>>);

type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

impl Driver {
    /// Completes `future`, which waits for what this connection does, and moves the bytes meanwhile.
    async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            // How the connection ended reaches the future through hyper's own channel.
            let _moved = self.poll(cx);
            future.as_mut().poll(cx)
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.0 else {
            return Poll::Ready(());
        };
        ready!(connection.as_mut().poll(cx)).ok();
        self.0 = None;
        Poll::Ready(())
    }
}
