use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::SystemClock;
use crate::config::credentials::SecretEnvironment;

fn config(dir: &Path) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        data_dir: dir.to_owned(),
        s3_listen: any,
        admin_listen: any,
        replication_listen: any,
        reserve: crate::config::ByteSize::bytes(0),
        low_watermark: crate::config::ByteSize::bytes(0),
        ..Config::default()
    }
}

async fn start(dir: &Path) -> Result<Node, NodeError> {
    let config = config(dir);
    let clock = Arc::new(SystemClock::new());
    let (credentials, _) = Credentials::load(&config, SecretEnvironment::default(), &*clock).unwrap();
    Node::start(config, credentials, clock).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_live_in_one_process_and_come_back_as_themselves() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (start(one.path()).await.unwrap(), start(two.path()).await.unwrap());
    assert_ne!(a.ready().node, b.ready().node);
    assert_ne!(a.ready().s3, b.ready().s3);
    let known = a.ready().node.clone();
    a.shutdown().await.unwrap();
    let again = start(one.path()).await.unwrap();
    assert_eq!(again.ready().node, known);
    again.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_serves_one_node_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path()).await.unwrap();
    let second = start(dir.path()).await;
    assert!(matches!(second.err(), Some(NodeError::Store { source: OpenError::Locked, .. })));
    node.shutdown().await.unwrap();
}

#[test]
fn an_unspecified_address_is_reached_by_loopback() {
    let shown = |text: &str| reachable(text.parse().unwrap()).to_string();
    assert_eq!(shown("0.0.0.0:9000"), "127.0.0.1:9000");
    assert_eq!(shown("[::]:9000"), "[::1]:9000");
    assert_eq!(shown("10.1.2.3:9000"), "10.1.2.3:9000");
}
