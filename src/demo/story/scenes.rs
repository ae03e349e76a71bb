//! What has happened in the demo's clinic: a dozen conversations, one for each state that there is.

use crate::chart::ItemKind;
use crate::threads::OneTap;

/// When something happens, seen from the moment at which the demo is filled.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// on an earlier day, by the clinic's clock: days before today, hour, minute
    Day(i64, u8, u8),
    /// so many minutes ago
    Minutes(i64),
}

/// A user, by the place in [`super::super::people::USERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// the owner
    Olivia,
    /// the clinician
    Camille,
    /// the staff
    Sam,
    /// the viewer
    Vera,
}

/// The first message of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct First {
    /// who writes it
    pub by: By,
    /// title
    pub title: &'static str,
    /// the text, in Markdown
    pub body: &'static str,
    /// who takes part besides
    pub with: &'static [By],
    /// whether the patient may answer
    pub replies: bool,
    /// answers with one tap
    pub offers: &'static [OneTap],
    /// the newest item of this kind goes along
    pub file: Option<ItemKind>,
}

impl First {
    const fn new(by: By, title: &'static str, body: &'static str) -> First {
        First { by, title, body, with: &[], replies: true, offers: &[], file: None }
    }
    const fn with(self, with: &'static [By]) -> First {
        First { with, ..self }
    }
    const fn without_replies(self) -> First {
        First { replies: false, ..self }
    }
    const fn offering(self, offers: &'static [OneTap]) -> First {
        First { offers, ..self }
    }
    const fn attaching(self, kind: ItemKind) -> First {
        First { file: Some(kind), ..self }
    }
}

/// One thing that happens in a conversation.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// it begins
    Starts(First),
    /// a user writes to the patient
    Writes(By, &'static str),
    /// a user corrects the clinic's newest message
    Corrects(By, &'static str),
    /// a user writes a note for colleagues
    Notes(By, &'static str),
    /// a user takes the clinic's newest message back
    TakesBack(By),
    /// a user looks at it
    Looks(By),
    /// a user marks it as done
    IsDone(By),
    /// a user closes it
    Closes(By),
    /// the patient signs in and opens it
    Opens,
    /// the patient signs in, opens it and answers
    Answers(&'static str),
    /// the patient signs in, opens it and taps an answer
    Taps(OneTap),
    /// the mail comes back: there is no such mailbox
    ComesBack,
    /// the text fails: there is no such number
    Fails,
    /// the patient texts STOP
    Stops,
}

impl Act {
    /// Whether something is to be sent after it.
    pub fn sends(&self) -> bool {
        !matches!(self, Act::Looks(_) | Act::IsDone(_) | Act::Closes(_) | Act::Opens)
    }
}

/// A conversation.
pub struct Scene {
    /// the patient's names
    pub patient: &'static str,
    /// what happens, in this order
    pub acts: &'static [(When, Act)],
}

/// A message that a user has begun to write.
pub struct Begun {
    /// the user
    pub by: By,
    /// the patient's names
    pub patient: &'static str,
    /// title
    pub title: &'static str,
    /// the text, in Markdown
    pub body: &'static str,
}

use Act::*;
use By::*;
use When::*;

/// The conversations.
pub const SCENES: &[Scene] = &[
    // a long one, that its clinician is done with
    Scene {
        patient: "Louis Erdman",
        acts: &[
            (
                Day(14, 10, 10),
                Starts(
                    First::new(
                        Camille,
                        "Your referral to dermatology",
                        "Hello Louis,\n\nthe referral went out today. The first free appointment is in about **six weeks**. \
                         They call you.\n\nPlease take a photo of the spot once a week until then.",
                    )
                    .with(&[Sam]),
                ),
            ),
            (Day(14, 19, 45), Answers("Thanks! Do I need to stop the cream?")),
            (Day(13, 8, 30), Writes(Camille, "No, please go on with the cream, **once a day in the evening**.")),
            (Day(13, 12, 15), Answers("Great, thank you.")),
            (Day(13, 13, 0), Looks(Camille)),
            (Day(13, 13, 1), IsDone(Camille)),
            (Day(13, 15, 0), Looks(Sam)),
        ],
    },
    // closed, and done by everybody
    Scene {
        patient: "Alfreda Wyman",
        acts: &[
            (
                Day(12, 9, 30),
                Starts(
                    First::new(
                        Sam,
                        "Your flu shot on Friday",
                        "Hello Alfreda,\n\nyour flu shot is booked for **Friday at 10:15**. Please wear short sleeves.\n\n\
                         Sam, Riverside Clinic",
                    )
                    .offering(&[OneTap::Read, OneTap::CallMe]),
                ),
            ),
            (Day(12, 12, 4), Taps(OneTap::Read)),
            (Day(11, 8, 40), IsDone(Sam)),
            (Day(11, 8, 41), Closes(Sam)),
        ],
    },
    // replies are off
    Scene {
        patient: "Clemente Kreiger",
        acts: &[
            (
                Day(9, 11, 0),
                Starts(
                    First::new(
                        Olivia,
                        "Invoice for the form of your insurer",
                        "Dear Mr. Kreiger,\n\nthe invoice is attached. It can be paid at the desk, or by phone.",
                    )
                    .attaching(ItemKind::Invoice)
                    .without_replies(),
                ),
            ),
            (Day(9, 17, 25), Opens),
        ],
    },
    // nobody opened it in time: the sender is asked to see to it
    Scene {
        patient: "ᓯᓚ ᐱᑕ",
        acts: &[(
            Day(8, 9, 20),
            Starts(
                First::new(
                    Sam,
                    "Your chest X-ray is normal",
                    "Hello Sila,\n\nthe X-ray shows **no pneumonia**. Please call us if the fever comes back.",
                )
                .attaching(ItemKind::File),
            ),
        )],
    },
    // corrected
    Scene {
        patient: "أمل حداد",
        acts: &[
            (
                Day(6, 10, 30),
                Starts(First::new(
                    Camille,
                    "Votre traitement contre la migraine",
                    "Bonjour,\n\nprenez **1 comprimé de 10 mg** au début de la crise. Vous pouvez en prendre 3 par jour.\n\n\
                     Dre Camille Roy",
                )),
            ),
            (Day(6, 11, 20), Opens),
            (
                Day(6, 11, 50),
                Corrects(
                    Camille,
                    "Je corrige : prenez **au plus 2 comprimés par jour**, à deux heures d’intervalle ou plus.",
                ),
            ),
            (Day(6, 18, 5), Answers("Bien compris, merci de l’avoir précisé.")),
            (Day(5, 8, 15), Looks(Camille)),
        ],
    },
    // closed after an answer with one tap
    Scene {
        patient: "Maëlle Tremblay-Gagnon",
        acts: &[
            (
                Day(5, 9, 0),
                Starts(
                    First::new(
                        Sam,
                        "Votre échographie du troisième trimestre",
                        "Bonjour Maëlle,\n\nvotre échographie aura lieu **mardi prochain à 13 h 40**. Buvez deux verres \
                         d’eau une heure avant et apportez votre carte d’assurance maladie.",
                    )
                    .attaching(ItemKind::Requisition)
                    .offering(&[OneTap::Understood, OneTap::CallMe]),
                ),
            ),
            (Day(5, 12, 32), Taps(OneTap::Understood)),
            (Day(4, 8, 20), IsDone(Sam)),
            (Day(4, 8, 21), Closes(Sam)),
        ],
    },
    // read, with an attachment, in French
    Scene {
        patient: "Maëlle Tremblay-Gagnon",
        acts: &[
            (
                Day(4, 10, 0),
                Starts(
                    First::new(
                        Camille,
                        "Votre épreuve d’hyperglycémie est normale",
                        "Bonjour Maëlle,\n\ntoutes les valeurs sont dans les normes :\n\n\
                         - à jeun : **4,7 mmol/L**\n- après 1 h : **9,2 mmol/L**\n- après 2 h : **7,4 mmol/L**\n\n\
                         Rien à changer d’ici le prochain rendez-vous.",
                    )
                    .attaching(ItemKind::LabResult)
                    .with(&[Vera]),
                ),
            ),
            (Day(4, 18, 50), Answers("Quel soulagement, merci! Puis-je continuer la piscine?")),
            (Day(3, 8, 10), Writes(Camille, "Oui, la piscine est une excellente idée.")),
            (Day(3, 12, 20), Opens),
        ],
    },
    // answered, with a note
    Scene {
        patient: "Margaret Sinclair",
        acts: &[
            (
                Day(3, 10, 5),
                Starts(
                    First::new(
                        Camille,
                        "Your blood test",
                        "Dear Peggy,\n\nyour kidneys work a little less well than last year (eGFR **58**). This is common \
                         at your age, and nothing has to change now.\n\nPlease drink enough, and do not take ibuprofen. \
                         We repeat the test in **three months**.\n\nDr. Camille Roy",
                    )
                    .attaching(ItemKind::LabResult)
                    .with(&[Sam]),
                ),
            ),
            (Day(3, 11, 0), Looks(Sam)),
            (
                Day(2, 9, 12),
                Answers(
                    "Thank you, Doctor. I take ibuprofen for my knee now and then.\nWhat may I take instead?\n\
                     Peggy Sinclair",
                ),
            ),
            (Day(2, 11, 0), Looks(Sam)),
            (Day(2, 11, 2), Notes(Sam, "Lab is booked in three months. Please answer her about the ibuprofen.")),
        ],
    },
    // the mail came back
    Scene {
        patient: "Jean-Guy Bélanger",
        acts: &[
            (
                Day(2, 8, 50),
                Starts(
                    First::new(
                        Camille,
                        "Votre hémoglobine glyquée",
                        "Bonjour Monsieur Bélanger,\n\nvotre hémoglobine A1c est de **7,4 %**. La cible est de 7,0 %. \
                         Parlons-en à votre prochain rendez-vous.",
                    )
                    .attaching(ItemKind::LabResult),
                ),
            ),
            (Day(2, 8, 56), ComesBack),
            (Day(2, 14, 30), Notes(Sam, "Appelé au 613 555-0153, sans réponse. Je rappelle demain matin.")),
        ],
    },
    // told, and not opened yet
    Scene {
        patient: "Rudolf Weber",
        acts: &[(
            Day(2, 15, 20),
            Starts(
                First::new(
                    Olivia,
                    "The form for your insurer is ready",
                    "Dear Mr. Weber,\n\nthe form is filled in and signed. You find it attached.",
                )
                .attaching(ItemKind::Form),
            ),
        )],
    },
    // the patient wants no more texts
    Scene {
        patient: "Freda O'Connell",
        acts: &[
            (
                Day(2, 10, 0),
                Starts(First::new(
                    Olivia,
                    "We close at noon on Friday",
                    "Dear Mrs. O'Connell,\n\non Friday we close at **12:00**. Your appointment moves to **11:20**.",
                )),
            ),
            (Day(2, 10, 9), Stops),
        ],
    },
    // the text failed
    Scene {
        patient: "秀英 王",
        acts: &[
            (
                Day(1, 10, 40),
                Starts(First::new(
                    Sam,
                    "Ultrasound of your shoulder",
                    "Hello Xiuying,\n\nthe ultrasound is on **Tuesday at 10:40**. An interpreter is booked.",
                )),
            ),
            (Day(1, 10, 42), Fails),
        ],
    },
    // the patient asks to be called
    Scene {
        patient: "Нина Коваленко",
        acts: &[
            (
                Day(1, 13, 30),
                Starts(
                    First::new(
                        Camille,
                        "Your iron is low",
                        "Hello Nina,\n\nyour ferritin is **9 µg/L**; it should be above 15. This explains the tiredness. \
                         Please take **1 capsule every second day**, with juice, and not with coffee or tea.",
                    )
                    .attaching(ItemKind::LabResult)
                    .offering(&[OneTap::Understood, OneTap::CallMe])
                    .with(&[Vera]),
                ),
            ),
            (Day(1, 19, 5), Taps(OneTap::CallMe)),
        ],
    },
    // taken back: it was meant for somebody else
    Scene {
        patient: "அனிதா செல்வம்",
        acts: &[
            (
                Day(1, 16, 50),
                Starts(First::new(Sam, "Your knee X-ray", "Hello,\n\nyour X-ray of the knee is booked for Monday.")),
            ),
            (Day(1, 16, 55), TakesBack(Sam)),
        ],
    },
    // not opened yet
    Scene {
        patient: "Margaret Sinclair",
        acts: &[(
            Day(1, 15, 10),
            Starts(First::new(
                Sam,
                "Your amlodipine is renewed",
                "Dear Peggy,\n\nthe prescription is at Harbour Pharmacy: **90 tablets of 5 mg**.",
            )),
        )],
    },
    // a child, whose mother's address it is
    Scene {
        patient: "Théo Tremblay-Gagnon",
        acts: &[
            (
                Day(1, 9, 15),
                Starts(
                    First::new(
                        Camille,
                        "La prise de sang de Théo est normale",
                        "Bonjour,\n\nle plomb sanguin de Théo est dans les normes. Rien d’autre à faire.",
                    )
                    .attaching(ItemKind::LabResult),
                ),
            ),
            (Day(1, 12, 40), Opens),
        ],
    },
    // answered a moment ago
    Scene {
        patient: "அனிதா செல்வம்",
        acts: &[
            (
                Day(1, 11, 10),
                Starts(
                    First::new(
                        Camille,
                        "How to care for your splint",
                        "Hello Anitha,\n\nkeep the splint dry, and your hand **above your heart**. Move your fingers \
                         each hour.\n\nCome back **at once** if they turn blue, cold or numb.",
                    )
                    .attaching(ItemKind::Education)
                    .with(&[Sam]),
                ),
            ),
            (Day(1, 20, 0), Opens),
            (
                Minutes(35),
                Answers("Good morning. The splint feels tighter today, but my fingers are warm. Should I come in?"),
            ),
        ],
    },
];

/// Messages that users have begun to write.
pub const BEGUN: &[Begun] = &[
    Begun {
        by: Sam,
        patient: "María Luisa Razo",
        title: "Your appointment next week",
        body: "Dear María Luisa,\n\nwe have to move your appointment. Would Wednesday at",
    },
    Begun { by: Camille, patient: "Willy Koepp", title: "Your results", body: "Hello Willy,\n\nyour results are" },
];
