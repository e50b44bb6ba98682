//! The models in use, and their exchange while the gateway runs.

use crate::{
    tasks::analysis::{ActiveModel, AnalysisError, ChildError},
    web::{AppState, error::WebError},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// `GET /models`
pub async fn list(State(state): State<AppState>) -> Response {
    let models: Vec<Value> = state.analysis.models().iter().map(|model| view(model)).collect();
    Json(json!({ "models": models })).into_response()
}

/// `POST /models/{id}/activate`: reads the folder of this id anew. Answers when the model is in use or refused, which may
/// take as long as its golden set and its limits allow; scans go on meanwhile.
pub async fn activate(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, WebError> {
    match state.analysis.activate_by_id(&id).await {
        Ok(model) => Ok(Json(view(&model)).into_response()),
        Err(error) => Err(refused(&id, &error)),
    }
}

fn view(model: &ActiveModel) -> Value {
    let ActiveModel { engine, manifest } = model;
    json!({
        "id": engine.model,
        "version": engine.model_version,
        "digest": engine.model_digest,
        "provider": engine.provider,
        "title": { "zh": manifest.title.zh, "en": manifest.title.en },
        "metrics": manifest.scores.iter().map(|rule| rule.metric.as_str()).collect::<Vec<_>>(),
    })
}

fn refused(id: &str, error: &AnalysisError) -> WebError {
    let now = error.to_string();
    match error {
        AnalysisError::NoModel(_) => WebError::not_found(format!("model {id}")),
        AnalysisError::Stopped => WebError::stopping(),
        AnalysisError::Child(ChildError::Start(_)) => WebError::fault(error),
        _ => WebError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
            format!("model {id}"),
            now.clone(),
            format!("模型没有启用，原来的模型继续使用：{now}"),
            format!("The model is not used, the old one goes on: {now}"),
        ),
    }
}
