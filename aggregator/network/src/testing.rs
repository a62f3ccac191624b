//! Values for tests.

use protocol::{Hello, NetworkId};

pub(crate) fn hello() -> Hello {
    Hello {
        protocol_version: protocol::PROTOCOL_VERSION,
        network: NetworkId([7; 32]),
        token: [3; protocol::limits::TOKEN_BYTES],
        device: "cpu".into(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
    }
}
