//! The portal: signing in, and what a patient may do.

mod answers;
mod browser;
mod brute_force;
mod caregivers;
mod caregivers_apart;
mod caregivers_met;
mod entry;
mod images;
mod information;
mod lighthouse;
mod portal_rules;
mod replies;
mod sessions;
mod tries;
mod way_in;
mod weight;
mod without_link;
