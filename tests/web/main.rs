//! The chair, the API, the live events and the pages: real tasks, store and sockets, a simulated analyser.

mod browser;
mod care;
mod customers;
mod day;
mod folder;
mod house;
mod lan;
mod lan_name;
mod log_in;
mod manager;
mod mirror;
mod openapi;
mod schemathesis;
mod station_ends;
mod station_points;
mod station_scan;
mod suggested;
mod web_api;
mod web_events;
mod web_guard;
mod web_hang_ups;
mod web_pages;
mod web_privacy;
mod web_reports;
mod words;
