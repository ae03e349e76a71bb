//! The inbox as a work list: its views, its marks, and the columns from which they are read; and what becomes of a message
//! once it is sent.

mod answer_times;
mod assignment;
mod assignment_browser;
mod browser;
mod faces;
mod heads_browser;
mod kept;
mod long_browser;
mod marks_browser;
mod mentions;
mod mentions_browser;
pub mod on_paper;
mod promise;
mod recall;
mod recall_browser;
pub mod saved_views;
mod saved_views_browser;
pub mod scheduled;
mod scheduled_browser;
mod scheduled_files;
mod scheduled_kept;
pub mod scheduled_met;
mod scheduled_pressed;
mod search;
mod search_browser;
mod talk;
mod talk_browser;
mod teams;
mod teams_browser;
mod told;
mod work_list;
