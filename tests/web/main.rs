//! The chair, the API, the live events and the pages: real tasks, store and sockets, a simulated analyser.

mod browser;
mod day;
mod house;
mod lan;
mod log_in;
mod openapi;
mod schemathesis;
mod station_ends;
mod station_points;
mod station_scan;
mod web_api;
mod web_events;
mod web_guard;
mod web_hang_ups;
mod web_pages;
mod web_privacy;
mod web_reports;
mod words;
