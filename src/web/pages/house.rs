//! Pages round the day's work: the log-in, the staff, how the devices are.

use super::{
    chip::{self, Chip},
    home::{Trouble, troubles},
    refused,
};
use crate::{
    domain::staff::Role,
    report::Lang,
    web::{
        AppState,
        error::WebError,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};

#[derive(Debug)]
struct Face {
    id: String,
    name: String,
    /// What stands on its tile.
    sign: String,
    role: &'static str,
    role_word: &'static str,
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LogIn {
    shell: Shell,
    people: Vec<Face>,
    next: String,
}

#[derive(Debug, Template)]
#[template(path = "staff.html")]
struct Staff {
    shell: Shell,
    people: Vec<Face>,
    /// Number, name, since when.
    tablets: Vec<(i64, String, String)>,
    roles: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Template)]
#[template(path = "enrol.html")]
struct Enrol {
    shell: Shell,
}

#[derive(Debug, Template)]
#[template(path = "devices.html")]
struct Devices {
    shell: Shell,
    chairs: Vec<(String, Vec<Chip>)>,
    troubles: Vec<Trouble>,
    waiting: u64,
    images: u64,
    dead: u64,
}

fn role(lang: Lang, role: Role) -> &'static str {
    match role {
        Role::Beautician => lang.pick("美容师", "beautician"),
        Role::Manager => lang.pick("店长", "manager"),
        Role::Technician => lang.pick("技术人员", "technician"),
    }
}

async fn faces(state: &AppState, lang: Lang) -> Result<Vec<Face>, WebError> {
    let people = state.store.people().await.map_err(|fault| refused::store(&fault))?;
    let face = |person: crate::domain::staff::Person| Face {
        sign: person.name.chars().next().map_or_else(String::new, |c| c.to_uppercase().collect()),
        role: role(lang, person.role),
        role_word: person.role.as_str(),
        id: person.id,
        name: person.name,
    };
    Ok(people.into_iter().map(face).collect())
}

/// `GET /login`
pub async fn login(State(state): State<AppState>, shell: Shell) -> Response {
    match faces(&state, shell.lang).await {
        Ok(people) => {
            let next = shell.next.clone().unwrap_or_else(|| "/".to_owned());
            let template = LogIn { shell, people, next };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

/// `GET /enrol`
pub async fn enrol(shell: Shell) -> Response {
    let template = Enrol { shell };
    page(&template.shell, &template)
}

/// `GET /staff`
pub async fn staff(State(state): State<AppState>, shell: Shell) -> Response {
    let gathered = async {
        let tablets = state.store.tablets().await.map_err(|fault| refused::store(&fault))?;
        Ok::<_, WebError>((faces(&state, shell.lang).await?, tablets))
    };
    match gathered.await {
        Ok((people, tablets)) => {
            let roles = Role::ALL.iter().map(|r| (r.as_str(), role(shell.lang, *r))).collect();
            let tablets = tablets.into_iter().map(|(n, name, at)| (n, name, at.to_string())).collect();
            let template = Staff { shell, people, tablets, roles };
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
            let template = Devices { shell, chairs, troubles, waiting, images, dead };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

type Gathered = (Vec<(String, Vec<Chip>)>, Vec<Trouble>, crate::store::Backlog);

async fn gather(state: &AppState, lang: Lang) -> Result<Gathered, WebError> {
    let mut chairs = Vec::new();
    for station in state.stations.iter() {
        let view = station.view().await.map_err(|fault| refused::station(&fault))?;
        let chips = view.devices.iter().map(|device| chip::device(lang, device)).collect();
        chairs.push((lang.label(station.label()).to_owned(), chips));
    }
    let backlog = state.store.backlog().await.map_err(|fault| refused::store(&fault))?;
    Ok((chairs, troubles(state, lang).await?, backlog))
}
