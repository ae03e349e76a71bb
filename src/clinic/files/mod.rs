//! Files of a message and of a chart: choosing, uploading, opening.

pub mod attachments;
pub mod chart_browser;
pub mod chart_file;
pub mod chart_filter;
pub mod lines;
pub mod sent_along;
pub mod uploads;
