//! The messages, generated from `proto/`.

/// Package `inference`.
pub(super) mod inference {
    #![expect(unreachable_pub, clippy::enum_variant_names, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/inference.rs"));
}

/// Package `grpc.health.v1`.
pub(super) mod health {
    #![expect(unreachable_pub, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
}
