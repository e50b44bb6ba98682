//! The real sides of the ports: hardware, broker, inference library. Adapters see neither one another nor the tasks that
//! use them; `app/` puts them together.

pub mod announce;
pub mod ble;
mod deadline;
pub mod discovery;
pub mod hotplug;
pub mod mqtt;
pub mod onnx;
mod onnx_words;
pub mod pki;
pub mod roots;
pub mod serial;
pub mod upload;
pub mod zones;
