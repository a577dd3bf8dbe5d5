//! One server: [`Server`], its [`Tls`], and the words for dialects and protocols.

use std::path::PathBuf;

use crate::section::section;
use crate::value::{Address, Credential, ServerName, choices};

choices! {
    /// The wire language of a server.
    DialectChoice, "dialect" {
        /// find out by asking the server
        Auto = "auto",
        /// Longshore's own REST interface
        Native = "native",
        /// the OpenAI interface: llama.cpp, vLLM, LM Studio and many more
        Openai = "openai",
        /// Ollama's own interface
        Ollama = "ollama",
        /// the Open Inference Protocol: Triton, MLServer, KServe
        Oip = "oip",
    }
}

choices! {
    /// A way to reach a server.
    Protocol, "protocol" {
        /// HTTP with JSON or binary bodies
        Rest = "rest",
        /// gRPC
        Grpc = "grpc",
    }
}

choices! {
    /// Whether a streamed answer must say that it is complete.
    EndMark, "choice" {
        /// an answer that stops without its protocol's end mark has broken off
        Required = "required",
        /// such an answer over REST is complete if it has text and HTTP says that it ended well
        Optional = "optional",
    }
}

section! {
    /// A server that can be called.
    pub struct Server {
        /// What the server is called on the command line, in reports and in variables. Case makes no difference between two
        /// names, and `built-in` is the engine's.
        name (required): ServerName = ServerName::default(), example "workstation";
        /// The REST address, without the `/v1` or `/v2` that the dialect adds. At least one of `rest` and `grpc` is needed.
        rest: Option<Address> = None, example "http://127.0.0.1:11434";
        /// The gRPC address, without a path.
        grpc: Option<Address> = None, example "http://127.0.0.1:8001";
        /// Which interface the server has.
        dialect: DialectChoice = DialectChoice::Auto;
        /// Where the token is kept that is sent as `Authorization: Bearer`. Without it, none is sent.
        credential: Option<Credential> = None, example "{ env: GPU_TOKEN }";
        /// How `https` addresses are verified. Without it, by the authorities that the system trusts.
        tls: Option<Tls> = None, example "{ ca: /etc/ssl/our-ca.pem }";
        /// The server's share of the requests that run at the same time, compared with the others'.
        weight: u32 = 1, in 1..=1000;
        /// The protocol that is tried first, where the server has both. Unset: REST.
        prefer: Option<Protocol> = None, example "rest";
        /// For a server that never writes the end mark of its streams. `optional` has a price: an answer that the server
        /// itself breaks off looks complete.
        end_mark: EndMark = EndMark::Required;
    }
}

section! {
    /// How an `https` server is verified, and how this client shows who it is. Verification cannot be turned off: to trust
    /// a self-signed certificate, name it as `ca`.
    pub struct Tls {
        /// A PEM file of the authorities to trust, in place of the system's.
        ca: Option<PathBuf> = None, example "/etc/ssl/our-ca.pem";
        /// A PEM file with this client's certificate chain. Goes with `client_key`.
        client_certificate: Option<PathBuf> = None, example "/etc/longshore/client.pem";
        /// A PEM file with the private key of `client_certificate`. Best readable by its owner only.
        client_key: Option<PathBuf> = None, example "/etc/longshore/client.key";
        /// The name that the server's certificate must have, where it is not the address's host.
        server_name: Option<String> = None, example "gpu.example.com";
    }
}

impl Server {
    /// The protocol to try first: the preferred one, else REST where there is a REST address.
    pub fn first_protocol(&self) -> Protocol {
        self.prefer.unwrap_or(if self.rest.is_some() { Protocol::Rest } else { Protocol::Grpc })
    }
}
