"""The ethics report's sentences that hold no number, by modality and outcome."""

REAL_DATA = {
    "image": "The model learned from {train:,} {kind} of {title}; published without names, they are health data all "
    "the same, since a picture with age, sex and body site can single out a person, so consent and purpose bind every "
    "copy.",
    "text": "The model learned from {train:,} {kind} of {title}; free text about health can single out a person even "
    "without a name, so consent and purpose bind every copy.",
}
SYNTHETIC_DATA = {
    "image": "The {train:,} training {kind} of {title} show nobody; on photographs of patients the same code would "
    "process health data, which need consent, a stated purpose and deletion on request.",
    "text": "The {train:,} training {kind} of {title} describe nobody; on notes about patients the same code would "
    "process health data, which need consent, de-identification and deletion on request.",
}
NO_ATTACK = (
    "Networks can memorise rare training examples; no membership-inference attack was measured for this report, so the "
    "weights deserve the same protection as the data."
)
RESERVE_PRIVACY = (
    "Whoever deploys it should log who sees which result, keep inputs no longer than care requires, and answer "
    "requests for access or erasure."
)

NO_GROUPS = (
    "The data name no sensitive feature, so performance by group could not be measured; that is not evidence that all "
    "groups are served alike."
)
NOTHING_COMPARABLE = "No two groups had enough cases for a comparison, so nothing can be said about gaps between them."
GAP_MEANING = "The audit cannot show why: data quality, case mix, rarity in training and the labels are all candidates."
ABSENCE = "A gap that was not found is not a gap that is absent."
NEEDS_GROUP = "Thresholds and calibration by group need the group at prediction time, itself a contested use."
POSSIBLE_BIASES = {
    "image": "Likely for images: people with darker skin, the old and the very young are rare in most collections; "
    "devices, lighting and markings differ between sites and travel with the diagnosis; labels come from few experts; "
    "only people who reached a specialist are in the data.",
    "text": "Likely for texts: style and abbreviations differ between clinics and authors; diagnoses of women, "
    "minorities and the poor are documented later and more vaguely; stigmatising words travel with social groups; "
    "notes in other languages are missing; codes follow billing.",
}
HOW_TO_TEST = (
    "To test for them: record the features with consent, audit as here with intervals and corrected tests, and compare "
    "sites, devices or authors held out entirely."
)
RESERVE_FAIRNESS = (
    "Groups are given by the data's own categories, which are coarse, sometimes estimated, and blind to people who are "
    "several things at once; people in no recorded group do not appear at all. A measure that is equal on average can "
    "still be unequal for those who matter most to a given decision, so affected people should help choose it."
)

RECORDS = (
    "Settings, seeds, library versions, splits and predictions of this run are saved, so that every number can be "
    "recomputed, and what is undefined is listed as such."
)
CALIBRATION_END = "; users should see that probability with its uncertainty, not a bare verdict."
NOT_EXPLAINED = {
    "image": "Whether the network looks at the lesion was not measured here.",
    "text": "Whether the words it weighs are the clinically relevant ones was not measured here.",
}
EXPLANATION_LIMITS = {
    "image": "Heat maps show where a network looked, not why, and plausible maps can accompany wrong answers; they "
    "help to find failures, and do not justify a decision.",
    "text": "Attention and gradient maps show which words moved the answer, not why, and plausible maps can accompany "
    "wrong answers; they help to find failures, and do not justify a decision.",
}
RESERVE_TRANSPARENCY = (
    "Patients and clinicians should be told that software was involved, what it was trained on, for whom it was not "
    "tested, and how to contest its answer."
)

ERRORS = {
    "image": {
        "miss": "A false negative sends someone home with a disease that goes on untreated; for a cancer the delay can "
        "cost life.",
        "alarm": "A false positive costs fear, a visit and perhaps a biopsy with its scar, and takes capacity from "
        "others.",
    },
    "text": {
        "miss": "A false negative files the case elsewhere: a condition overlooked in triage, research or billing, and "
        "care delayed.",
        "alarm": "A false positive puts a condition on someone's record that they do not have, with wrong follow-up, "
        "cost and stigma.",
    },
}
PREVALENCE = "In a population where the condition is rarer, a larger part of the alarms would be false."
PREVALENCE_END = "where the condition is rarer, it is lower."
TRIAL = (
    "These figures are retrospective, from one collection; use would need external validation at other sites, then a "
    "prospective study against and together with clinicians, with stopping rules and monitoring for drift afterwards."
)
SYNTHETIC_TRIAL = (
    "As the data are synthetic, these figures test the method and say nothing about patients; real use would need "
    "real, external data, then a prospective study together with clinicians, and monitoring for drift afterwards."
)
RESERVE_VALIDATION = (
    "Performance must be confirmed in each group, on the device that is used and by the people who will use it, since "
    "automation can make clinicians less attentive to what the model misses. A responsible person must be named who "
    "can switch it off."
)

MISUSE = {
    "image": "A model that reads disease from a photograph can be turned on people who never asked: by insurers or "
    "employers screening pictures, or as an app that sells reassurance instead of a doctor's visit.",
    "text": "A model that reads diagnoses from text can be turned on people who never asked: by insurers or employers "
    "mining letters and messages, or to raise billing codes.",
}
ATTRIBUTES = {
    "image": "The group labels made for this audit, and estimates such as skin tone, could serve profiling as well as "
    "protection; they should stay with the auditors.",
    "text": "The group labels used for this audit could serve profiling as well as protection; they should stay with "
    "the auditors.",
}
NO_ATTRIBUTES = "Group labels, once collected for an audit, could serve profiling as well as protection."
PHONE = (
    "Compression to phone size cuts both ways: data need not leave the patient's hand, but copies escape oversight and "
    "updates."
)
NO_PHONE = "A model that is copied freely escapes oversight and updates."
SAFEGUARDS = (
    "The licence, this report and the notice that it is research software, not a medical device, should travel with "
    "every copy; clinical claims should require regulatory approval."
)
RESERVE_DUAL_USE = (
    "Publishing weights also helps those who craft inputs to deceive it; access by agreement, rate limits and a "
    "contact for reporting misuse lessen this."
)
