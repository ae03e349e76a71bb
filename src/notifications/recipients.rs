//! Who is told of a message: the patient, and the caregivers who read for them, each at their own addresses. Of what is for the
//! patient alone no caregiver is told.

use super::blocks::{Blocks, blocks, blocks_of};
use super::plan::{Obstacle, obstacles, plan};
use crate::caregivers::{self, Caregiver};
use crate::db::{CaregiverId, Conn, PatientId, Ts};
use crate::delivery::Channel;
use crate::patients::{self, Patient, patient_by_id};
use crate::settings::Settings;
use diesel::prelude::*;
use std::collections::{HashMap, HashSet};

/// Somebody who is told, and by which roads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// the caregiver; `None`: the patient
    pub caregiver: Option<CaregiverId>,
    /// the roads that take a link; for the patient there may be none
    pub links: Vec<Channel>,
}

/// The patient, and after them each caregiver who can be told now of a conversation that began at the second moment.
pub fn recipients(conn: &mut Conn, at: (Ts, Ts), patient: &Patient, only_patient: bool) -> QueryResult<Vec<Told>> {
    let own = blocks(conn, patient)?;
    let links = own_links(conn, at.0, patient, &own, only_patient)?;
    let mut all = vec![Told { caregiver: None, links }];
    if !only_patient {
        let caring = caregivers_told(conn, at, patient)?;
        all.extend(caring.into_iter().map(|(one, links)| Told { caregiver: Some(one.id), links }));
    }
    Ok(all)
}

/// The roads to the patient: for what is for them alone none that leads to a caregiver too.
fn own_links(
    conn: &mut Conn,
    now: Ts,
    patient: &Patient,
    blocks: &Blocks,
    only_patient: bool,
) -> QueryResult<Vec<Channel>> {
    let mut links = Vec::new();
    for channel in plan(patient, blocks).links {
        if !(only_patient && is_caregivers(conn, now, patient, channel)?) {
            links.push(channel);
        }
    }
    Ok(links)
}

/// Whether the patient's address on this road is a caregiver's too, who reads for them now.
pub(super) fn is_caregivers(conn: &mut Conn, now: Ts, patient: &Patient, channel: Channel) -> QueryResult<bool> {
    let caring = caregivers::current(conn, now, patient.id)?;
    Ok(caring.iter().any(|one| one.has_address_of(patient, channel)))
}

/// Those of these caregivers of these patients who can be told, with the roads to each.
fn reached(
    conn: &mut Conn,
    caring: Vec<Caregiver>,
    patients: &[Patient],
) -> QueryResult<Vec<(Caregiver, Vec<Channel>)>> {
    if caring.is_empty() {
        return Ok(Vec::new());
    }
    let by_id: HashMap<PatientId, &Patient> = patients.iter().map(|patient| (patient.id, patient)).collect();
    let (there, records): (Vec<Caregiver>, Vec<Patient>) = caring
        .into_iter()
        .filter_map(|one| {
            let record = one.stands_for(by_id.get(&one.patient_id)?);
            Some((one, record))
        })
        .unzip();
    let blocks = blocks_of(conn, &records)?;
    let links = records.iter().zip(&blocks).map(|(record, blocks)| plan(record, blocks).links);
    let all: Vec<Vec<Channel>> = links.collect();
    Ok(there.into_iter().zip(all).filter(|(_, links)| !links.is_empty()).collect())
}

/// The caregivers of a patient who can be told now of a conversation that began at the second moment, and how: for the line that says
/// who is told.
pub fn caregivers_told(
    conn: &mut Conn,
    at: (Ts, Ts),
    patient: &Patient,
) -> QueryResult<Vec<(Caregiver, Vec<Channel>)>> {
    let current = caregivers::current_of(conn, at, &[patient.id])?;
    reached(conn, current, std::slice::from_ref(patient))
}

/// Those of these patients who have a caregiver who can be told now of a conversation that began at the second moment.
pub fn with_caregiver(conn: &mut Conn, at: (Ts, Ts), patients: &[Patient]) -> QueryResult<HashSet<PatientId>> {
    let ids: Vec<PatientId> = patients.iter().map(|patient| patient.id).collect();
    let current = caregivers::current_of(conn, at, &ids)?;
    Ok(reached(conn, current, patients)?.into_iter().map(|(one, _)| one.patient_id).collect())
}

/// Everything that prevents a message to this patient now, in a conversation that began at the second moment. A patient without a
/// working address can be written to where a caregiver can be told, unless it is for the patient alone.
pub fn obstacles_now(
    conn: &mut Conn,
    at: (Ts, Ts),
    settings: &Settings,
    patient: &Patient,
    blocks: &Blocks,
    only_patient: bool,
) -> QueryResult<Vec<Obstacle>> {
    let found = obstacles(settings, patient, blocks);
    if only_patient && found.is_empty() && own_links(conn, at.0, patient, blocks, true)?.is_empty() {
        return Ok(vec![Obstacle::CaregiversAddress]);
    }
    if only_patient || !found.iter().any(|one| one.is_of_address()) {
        return Ok(found);
    }
    let told = with_caregiver(conn, at, std::slice::from_ref(patient))?;
    Ok(without_address(found, told.contains(&patient.id)))
}

/// These obstacles, without those of the patient's own addresses where somebody else is told.
pub fn without_address(mut found: Vec<Obstacle>, is_told: bool) -> Vec<Obstacle> {
    found.retain(|one| !is_told || !one.is_of_address());
    found
}

/// Somebody who is to be told or asked something, as they are reached at this moment.
#[derive(Debug, Clone)]
pub struct Reached {
    /// the patient's own record, or the caregiver's in its place: see [`Caregiver::stands_for`]
    pub record: Patient,
    /// what the patient likes to be called
    pub patient_called: String,
    /// the caregiver; `None`: the patient
    pub caregiver: Option<Caregiver>,
    /// a caregiver reads for the patient now; of a patient always
    pub is_current: bool,
}

impl Reached {
    /// Reads the patient, or the caregiver of this patient.
    pub fn read(conn: &mut Conn, now: Ts, patient: PatientId, caregiver: Option<CaregiverId>) -> QueryResult<Reached> {
        let own = patient_by_id(conn, patient)?;
        let patient_called = own.called().to_owned();
        let Some(id) = caregiver else {
            return Ok(Reached { record: own, patient_called, caregiver: None, is_current: true });
        };
        Ok(match caregivers::by_id(conn, id)? {
            Some(one) => Reached {
                record: one.stands_for(&own),
                patient_called,
                is_current: one.patient_id == patient && one.is_current(now),
                caregiver: Some(one),
            },
            // a row that is gone reaches nobody
            None => {
                let mut record = own;
                (record.demographics.email, record.demographics.phone) = (None, None);
                Reached { record, patient_called, caregiver: None, is_current: false }
            }
        })
    }

    /// Whether the address on this road leads to somebody else's messages too.
    pub fn is_shared(&self, conn: &mut Conn, channel: Channel) -> QueryResult<bool> {
        match (&self.caregiver, channel, &self.record.email, &self.record.phone) {
            (Some(caregiver), ..) => caregivers::is_shared(conn, caregiver, channel),
            (None, Channel::Email, Some(email), _) => patients::email_is_shared(conn, self.record.id, email),
            (None, Channel::Sms, _, Some(phone)) => patients::phone_is_shared(conn, self.record.id, phone),
            _ => Ok(false),
        }
    }
}
