//! An object store that speaks S3 and really checks signatures, in this process; what it holds lies as plain files.

use hyper_util::rt::TokioIo;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use skinlink::hq::shelf::{Bucket, BucketSettings};
use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

pub struct ObjectStore {
    folder: TempDir,
    port: u16,
    serving: Option<JoinHandle<()>>,
}

impl ObjectStore {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("root/pictures")).expect("a bucket");
        fs::write(folder.path().join("credentials"), "an-access-key\na-secret-key\n").expect("writable");
        let mut store = Self { folder, port: 0, serving: None };
        store.come_back().await;
        store
    }

    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.expect("its port is free");
        self.port = listener.local_addr().expect("a bound port").port();
        let files = s3s_fs::FileSystem::new(self.folder.path().join("root")).expect("a folder to serve");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single("an-access-key", "a-secret-key"));
        let service = service.build().into_shared();
        self.serving = Some(tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                let connection = hyper::server::conn::http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(line), service.clone());
                tokio::spawn(async move { drop(connection.await) });
            }
        }));
    }

    pub async fn go_away(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn settings(&self) -> BucketSettings {
        BucketSettings {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            bucket: "pictures".into(),
            region: "us-east-1".into(),
            credentials: self.folder.path().join("credentials"),
            authority: None,
        }
    }

    pub fn bucket(&self) -> Bucket {
        Bucket::new(&self.settings()).expect("sound settings")
    }

    /// Everything that lies there; the server's own notes apart.
    pub fn objects(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).expect("readable") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.folder.path().join("root/pictures"), &mut found);
        found
    }
}
