//! A server in this process that answers as a test tells it to, over a real socket.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use ringline::{v1, Client};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{
    wrappers::{ReceiverStream, TcpListenerStream},
    Stream,
};
use tonic::{metadata::MetadataMap, transport::Server, Request, Response, Status};

/// What `proto/` makes for servers.
#[allow(missing_docs, clippy::all)]
mod generated {
    include!("../gen/ringline.v1.rs");
}

use generated::call_service_server::{CallService, CallServiceServer};

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a call and its viewer are after a request.
pub type Told = (v1::Call, v1::ViewerState);

/// A unary request, and where its answer goes.
pub struct Asked {
    pub rpc: &'static str,
    pub request_id: String,
    pub ring_id: String,
    pub reason: String,
    pub metadata: MetadataMap,
    /// The client's end of the connection.
    pub peer: SocketAddr,
    pub answer: oneshot::Sender<Result<Told, Status>>,
}

/// A stream that was asked for, and what it brings.
pub struct Watched {
    pub request: v1::WatchCallsRequest,
    pub messages: mpsc::Sender<Result<v1::WatchCallsResponse, Status>>,
}

impl Watched {
    /// Sends a message.
    pub async fn send(&self, event: Option<v1::watch_calls_response::Event>, token: &str) {
        let message = v1::WatchCallsResponse { event, resume_token: token.into(), ..Default::default() };
        self.messages.send(Ok(message)).await.expect("the client reads");
    }

    /// Refuses to go on.
    pub async fn fail(self, status: Status) {
        self.messages.send(Err(status)).await.expect("the client reads");
    }
}

/// The test's side of the server.
pub struct Fake {
    pub address: String,
    asked: mpsc::UnboundedReceiver<Asked>,
    watched: mpsc::UnboundedReceiver<Watched>,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (ask, asked) = mpsc::unbounded_channel();
        let (watch, watched) = mpsc::unbounded_channel();
        let service = CallServiceServer::new(Service { ask, watch });
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, asked, watched }
    }

    /// Returns a client for bob on his phone.
    pub fn client(&self) -> Client {
        Client::builder(self.address.clone()).user("bob").device("phone").build().unwrap()
    }

    /// Returns the next request, which is of this RPC.
    pub async fn asked(&mut self, rpc: &str) -> Asked {
        let asked = timeout(PATIENCE, self.asked.recv()).await.expect("a request").unwrap();
        assert_eq!(asked.rpc, rpc);
        asked
    }

    /// Says that nothing was asked that was not taken.
    pub fn assert_quiet(&mut self) {
        assert!(self.asked.try_recv().is_err(), "there was another request");
    }

    /// Returns the next stream.
    pub async fn watched(&mut self) -> Watched {
        timeout(PATIENCE, self.watched.recv()).await.expect("a stream").unwrap()
    }
}

struct Service {
    ask: mpsc::UnboundedSender<Asked>,
    watch: mpsc::UnboundedSender<Watched>,
}

impl Service {
    async fn ask(
        &self,
        rpc: &'static str,
        metadata: MetadataMap,
        peer: SocketAddr,
        texts: [String; 3],
    ) -> Result<Told, Status> {
        let (answer, answered) = oneshot::channel();
        let [request_id, ring_id, reason] = texts;
        self.ask.send(Asked { rpc, request_id, ring_id, reason, metadata, peer, answer }).expect("the test goes on");
        answered.await.unwrap_or_else(|_| Err(Status::internal("the test did not answer")))
    }
}

macro_rules! service {
    ($($rpc:ident $request:ident $response:ident ($($text:ident)*)),* ; $($unused:ident $from:ident $to:ident),*) => {
        #[allow(clippy::needless_update)] // some answers hold more than call and viewer
        #[tonic::async_trait]
        impl CallService for Service {
            $(async fn $rpc(&self, request: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                let metadata = request.metadata().clone();
                let peer = request.remote_addr().expect("it came over TCP");
                let request = request.into_inner();
                let given: &[(&str, &str)] =
                    &[("request_id", &request.request_id), $((stringify!($text), &request.$text)),*];
                let text = |name| given.iter().find(|one| one.0 == name).map_or_else(String::new, |one| one.1.into());
                let texts = ["request_id", "ring_id", "reason"].map(text);
                let (call, viewer) = self.ask(stringify!($rpc), metadata, peer, texts).await?;
                let answer = v1::$response { call: Some(call), viewer: Some(viewer), ..Default::default() };
                Ok(Response::new(answer))
            })*

            $(async fn $unused(&self, _: Request<v1::$from>) -> Result<Response<v1::$to>, Status> {
                Err(Status::unimplemented("no test asks for it"))
            })*

            type WatchCallsStream = Pin<Box<dyn Stream<Item = Result<v1::WatchCallsResponse, Status>> + Send>>;

            async fn watch_calls(
                &self,
                request: Request<v1::WatchCallsRequest>,
            ) -> Result<Response<Self::WatchCallsStream>, Status> {
                let (messages, sent) = mpsc::channel(16);
                let _ = self.watch.send(Watched { request: request.into_inner(), messages });
                Ok(Response::new(Box::pin(ReceiverStream::new(sent))))
            }
        }
    };
}

service! {
    get_or_create_call GetOrCreateCallRequest GetOrCreateCallResponse (),
    get_call GetCallRequest GetCallResponse (),
    ring_call RingCallRequest RingCallResponse (),
    update_call UpdateCallRequest UpdateCallResponse (),
    update_call_members UpdateCallMembersRequest UpdateCallMembersResponse (),
    join_call JoinCallRequest JoinCallResponse (ring_id),
    reject_call RejectCallRequest RejectCallResponse (ring_id reason),
    cancel_call CancelCallRequest CancelCallResponse (ring_id reason),
    leave_call LeaveCallRequest LeaveCallResponse (reason),
    end_call EndCallRequest EndCallResponse (reason);
    list_calls ListCallsRequest ListCallsResponse,
    list_call_events ListCallEventsRequest ListCallEventsResponse,
    list_events ListEventsRequest ListEventsResponse
}
