//! Pages round the day's work: the log-in, the staff, how the devices are.

use super::{
    chip::{self, Chip},
    home::{Trouble, troubles},
    models, packages, refused,
};
use crate::{
    domain::staff::Role,
    report::Lang,
    store::Member,
    tasks::station::DeviceView,
    web::{
        AppState,
        error::WebError,
        shell::{Shell, page, problem},
        trust::Trust,
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use std::sync::Arc;

#[derive(Debug)]
struct Face {
    id: String,
    name: String,
    /// What stands on its tile.
    sign: String,
    role: &'static str,
    role_word: &'static str,
    /// Headquarters has named them: name and role are its affair.
    from_hq: bool,
    has_pin: bool,
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LogIn {
    shell: Shell,
    people: Vec<Face>,
    /// Headquarters has named people and none can log in: the machine's own screen is open.
    nobody_has_a_pin: bool,
    next: String,
}

#[derive(Debug, Template)]
#[template(path = "staff.html")]
struct Staff {
    shell: Shell,
    people: Vec<Face>,
    /// Somebody can log in.
    staffed: bool,
    /// Number, name, since when.
    tablets: Vec<(i64, String, String)>,
    roles: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Template)]
#[template(path = "enrol.html")]
struct Enrol {
    shell: Shell,
    /// Whether somebody is there who can give a code.
    staffed: bool,
}

/// How a system takes the salon's certificate.
#[derive(Debug)]
struct Way {
    /// `ios`, `android`, `windows`: opened first where the browser says it is one.
    system: &'static str,
    title: &'static str,
    steps: Vec<&'static str>,
}

#[derive(Debug, Template)]
#[template(path = "trust.html")]
struct TrustPage {
    shell: Shell,
    trust: Option<Arc<Trust>>,
    ways: Vec<Way>,
}

/// A device, and the day of its last calibration.
#[derive(Debug)]
struct Line {
    chip: Chip,
    protocol: String,
    serial: String,
    calibrated: String,
}

#[derive(Debug, Template)]
#[template(path = "devices.html")]
struct Devices {
    shell: Shell,
    chairs: Vec<(String, Vec<Line>)>,
    troubles: Vec<Trouble>,
    waiting: u64,
    images: u64,
    dead: u64,
    /// What headquarters has rolled out; `None` where no packages are taken.
    packages: Option<Vec<packages::Line>>,
    /// What measures photographs; `None` where nobody does.
    models: Option<models::Models>,
}

fn role(lang: Lang, role: Role) -> &'static str {
    match role {
        Role::Beautician => lang.pick("美容师", "beautician"),
        Role::Manager => lang.pick("店长", "manager"),
        Role::Technician => lang.pick("技术人员", "technician"),
    }
}

async fn faces(state: &AppState, lang: Lang) -> Result<Vec<Face>, WebError> {
    let people = state.store.members().await.map_err(|fault| refused::store(&fault))?;
    let face = |Member { person, from_hq, has_pin }: Member| Face {
        sign: person.name.chars().next().map_or_else(String::new, |c| c.to_uppercase().collect()),
        role: role(lang, person.role),
        role_word: person.role.as_str(),
        id: person.id,
        name: person.name,
        from_hq,
        has_pin,
    };
    Ok(people.into_iter().map(face).collect())
}

/// `GET /login`
pub async fn login(State(state): State<AppState>, shell: Shell) -> Response {
    match faces(&state, shell.lang).await {
        Ok(people) => {
            let next = shell.next.clone().unwrap_or_else(|| "/".to_owned());
            let nobody_has_a_pin = people.iter().all(|one| !one.has_pin);
            let template = LogIn { shell, people, nobody_has_a_pin, next };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

/// `GET /enrol`
pub async fn enrol(State(state): State<AppState>, shell: Shell) -> Response {
    match state.store.has_staff().await {
        Ok(staffed) => {
            let template = Enrol { shell, staffed };
            page(&template.shell, &template)
        }
        Err(fault) => problem(shell, &refused::store(&fault)),
    }
}

/// `GET /trust`: how a tablet comes to trust the salon's own certificate; without it the camera stays closed.
pub async fn trust(State(state): State<AppState>, shell: Shell) -> Response {
    let template = TrustPage { ways: ways(shell.lang), trust: state.trust.clone(), shell };
    page(&template.shell, &template)
}

/// What is tapped on each system, in the words that stand there.
fn ways(lang: Lang) -> Vec<Way> {
    let t = |zh: &'static str, en: &'static str| lang.pick(zh, en);
    vec![
        Way {
            system: "ios",
            title: t("iPad 与 iPhone（用 Safari 打开本页）", "iPad and iPhone (open this page in Safari)"),
            steps: vec![
                t("点上面的“下载证书”，选“允许”。", "Tap “Download the certificate” above, then Allow."),
                t(
                    "打开“设置”，点最上面的“已下载描述文件”，再点“安装”。",
                    "Open Settings, tap Profile Downloaded at the top, then Install.",
                ),
                t(
                    "“设置 › 通用 › 关于本机 › 证书信任设置”：打开 skinlink salon 的开关。少了这一步，证书不起作用。",
                    "Settings › General › About › Certificate Trust Settings: switch skinlink salon on. Without this step the certificate does nothing.",
                ),
                t("回到 Safari，重新打开门店的地址。", "Back in Safari, open the salon's address again."),
            ],
        },
        Way {
            system: "android",
            title: t("安卓平板（用 Chrome 打开本页）", "Android tablet (open this page in Chrome)"),
            steps: vec![
                t("点上面的“下载证书”，保存文件。", "Tap “Download the certificate” above and keep the file."),
                t(
                    "打开“设置”，搜索“CA 证书”（多在“安全 › 更多安全设置 › 加密与凭据 › 安装证书”）。",
                    "Open Settings and search for “CA certificate” (mostly Security › More security settings › Encryption and credentials › Install a certificate).",
                ),
                t(
                    "选“CA 证书”，点“仍然安装”，挑选 skinlink-ca.crt。平板需要设有锁屏密码。",
                    "Choose CA certificate, tap Install anyway, pick skinlink-ca.crt. The tablet needs a screen lock.",
                ),
                t("关掉 Chrome 再打开，输入门店的地址。", "Close Chrome, open it again and enter the salon's address."),
            ],
        },
        Way {
            system: "windows",
            title: t("Windows 平板或电脑（Edge、Chrome）", "Windows tablet or PC (Edge, Chrome)"),
            steps: vec![
                t("点上面的“下载证书”，打开下载的文件。", "Click “Download the certificate” above and open the file."),
                t("点“安装证书”，选“当前用户”，下一步。", "Click Install Certificate, choose Current User, then Next."),
                t(
                    "选“将所有的证书都放入下列存储”，浏览，选“受信任的根证书颁发机构”，完成，再点“是”。",
                    "Choose Place all certificates in the following store, Browse, Trusted Root Certification Authorities, finish, then Yes.",
                ),
                t(
                    "关掉浏览器的所有窗口再打开，输入门店的地址。",
                    "Close every window of the browser, open it again and enter the salon's address.",
                ),
            ],
        },
    ]
}

/// `GET /staff`
pub async fn staff(State(state): State<AppState>, shell: Shell) -> Response {
    let gathered = async {
        let tablets = state.store.tablets().await.map_err(|fault| refused::store(&fault))?;
        let staffed = state.store.has_staff().await.map_err(|fault| refused::store(&fault))?;
        Ok::<_, WebError>((faces(&state, shell.lang).await?, tablets, staffed))
    };
    match gathered.await {
        Ok((people, tablets, staffed)) => {
            let roles = Role::ALL.iter().map(|r| (r.as_str(), role(shell.lang, *r))).collect();
            let tablets = tablets.into_iter().map(|(n, name, at)| (n, name, at.to_string())).collect();
            let template = Staff { shell, people, staffed, tablets, roles };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

/// `GET /devices`: no customer stands here.
pub async fn devices(State(state): State<AppState>, shell: Shell) -> Response {
    match gather(&state, shell.lang).await {
        Ok((chairs, troubles, backlog)) => {
            let (waiting, images, dead) = (backlog.events, backlog.images, backlog.dead_letters);
            let packages = packages::lines(&state, shell.lang);
            let models = models::models(&state.analysis, shell.lang);
            let template = Devices { shell, chairs, troubles, waiting, images, dead, packages, models };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

type Gathered = (Vec<(String, Vec<Line>)>, Vec<Trouble>, crate::store::Backlog);

async fn gather(state: &AppState, lang: Lang) -> Result<Gathered, WebError> {
    let known = state.store.calibrations().await.map_err(|fault| refused::store(&fault))?;
    let mut chairs = Vec::new();
    for station in state.stations.iter() {
        let view = station.view().await.map_err(|fault| refused::station(&fault))?;
        let line = |device: &DeviceView| {
            let same = |(protocol, serial, _): &&(String, String, String)| {
                (protocol, serial) == (&device.protocol, &device.serial)
            };
            Line {
                chip: chip::device(lang, device),
                protocol: device.protocol.clone(),
                serial: device.serial.clone(),
                calibrated: known.iter().find(same).map_or_else(String::new, |(_, _, day)| day.clone()),
            }
        };
        chairs.push((lang.label(station.label()).to_owned(), view.devices.iter().map(line).collect()));
    }
    let backlog = state.store.backlog().await.map_err(|fault| refused::store(&fault))?;
    Ok((chairs, troubles(state, lang).await?, backlog))
}
