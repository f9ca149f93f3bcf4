"""The wordings of the generated clinical notes and the figures in them: tables and nothing else.

None of them depends on the class. {dx} is a diagnosis in any number and with no article, so sentences around it need
neither; {n} is a number from 2 to 12; {ref} is "problem 2" or "the second". The words that mark the current diagnosis
(today, now, active, confirmed, treatment, visit, here for) also stand beside the others: only what they are said of
tells which diagnosis is current.
"""

OPENINGS = (
    "{age} y/o {sex} c/o {complaint} for {n} {unit}.",
    "{age} y/o {sex} presents w/ {complaint} for the past {n} {unit}.",
    "{age}-year-old {sex} attends clinic reporting {complaint}, onset {n} {unit} ago.",
    "Pt {age} y/o {sex}, c/o {complaint} x {n} {unit}.",
    "{age}-year-old {sex} pt seen w/ {complaint} over {n} {unit}.",
    "{age} y/o {sex} referred by PCP, {complaint} for {n} {unit}.",
)
SEXES = {"female": ("woman", "female", "F"), "male": ("man", "male", "M")}
FACTS = {
    "unit": ("days", "wks", "weeks", "months", "mos"),
    "complaint": (
        "feeling generally unwell",
        "gradual worsening of symptoms",
        "low energy and poor sleep",
        "reduced appetite",
        "increasing discomfort",
        "more trouble w/ daily tasks",
        "on and off symptoms",
        "ongoing concerns about health",
    ),
    "living": ("lives alone", "lives w/ spouse", "lives w/ family", "lives w/ a roommate", "lives in own apartment"),
}
COURSES = (
    "Onset gradual, no clear trigger, course slowly progressive.",
    "Symptoms come and go, worse toward evening, partly eased by rest.",
    "Tried OTC meds at home w/ little effect so far.",
    "Course fluctuating; good days and bad days, overall slightly worse.",
    "No recent travel, no sick contacts, no new meds reported.",
    "Pt has missed several days of usual activities because of this.",
    "Similar but milder spell about {n} mos before, not worked up.",
    "Symptoms interfere w/ sleep and w/ household tasks.",
)

# One sentence about one diagnosis.
SENTENCES = {
    "current": (
        "Here today because of {dx}.",
        "Reason for today's visit: {dx}.",
        "Came in today for {dx}.",
        "Active problem now: {dx}.",
        "Impression: {dx}, active, needs treatment now.",
        "Working dx today: {dx}.",
        "Findings today confirm {dx}.",
        "{dx} confirmed today, treatment started.",
        "Main issue now {dx}, symptomatic.",
        "Today's work-up points to active {dx}.",
    ),
    "history": (
        "H/o {dx} {n} yrs ago, not active now.",
        "PMHx: {dx}, treated {n} years ago.",
        "Past hx of {dx}, confirmed elsewhere, inactive for years.",
        "{dx} {n} yrs ago, no treatment since.",
        "S/p treatment for {dx} {n} yrs ago.",
        "Remote hx of {dx}, not a problem today.",
        "Old records show {dx} {n} yrs ago.",
        "PMHx notable for {dx} in the distant past.",
    ),
    "family": (
        "FHx: mother had {dx}.",
        "FHx: {dx} in father, pt not affected.",
        "Brother under treatment for {dx}.",
        "FHx positive for {dx} (sister).",
        "Father came to clinic for {dx}; pt not affected.",
        "Maternal aunt w/ {dx}, active, on treatment now.",
        "Family hx of {dx} on paternal side.",
        "Cousin seen here today for {dx}.",
    ),
    "ruled_out": (
        "{dx} ruled out.",
        "R/o {dx}: work-up negative.",
        "No evidence of {dx} today.",
        "Work-up negative for {dx}.",
        "{dx} excluded on review of results.",
        "Findings today do not confirm {dx}.",
        "Triage queried {dx}, now excluded.",
        "Nothing today to suggest {dx}.",
    ),
    "resolved": (
        "{dx} resolved since last visit.",
        "{dx}: resolved, off treatment now.",
        "Recent {dx} settled, no longer active.",
        "Not here for {dx} today, that has cleared up.",
        "Treatment for {dx} completed, all clear.",
        "Full recovery from {dx} {n} wks ago.",
        "Last visit was for {dx}, gone now.",
        "{dx} treated earlier this year, symptom free now.",
    ),
    "considered": (
        "Considered {dx}, felt unlikely.",
        "{dx} on the differential, less likely.",
        "Thought about {dx}, picture does not fit.",
        "Ddx included {dx}, not favored.",
        "{dx} entertained at first, then dropped.",
        "Referral letter asked about {dx}, not supported today.",
        "Discussed possible {dx}, low suspicion now.",
        "Active {dx} considered, does not fit the course.",
    ),
}
VAGUE_SENTENCES = SENTENCES | {"current": ("Also {dx}.", "{dx} noted.", "Re {dx}: see above.", "Chart mentions {dx}.")}

# Where a note has no diagnosis of a kind, so that the cue words of every kind stand in every note.
NOTHING_OF_KIND = {
    "history": ("PMHx otherwise nil of note.", "No other past hx of note.", "Old records otherwise unremarkable."),
    "family": ("FHx non-contributory.", "FHx: nil relevant in father or mother.", "No other family hx of note."),
    "ruled_out": (
        "No evidence of anything else, other work-up negative.",
        "Nothing further to r/o or exclude today.",
        "Nothing else queried or ruled out today.",
    ),
    "resolved": (
        "No other changes since last visit.",
        "Other minor complaints resolved, off treatment.",
        "Nothing else settled or gone since last visit.",
    ),
    "considered": (
        "No other dx considered likely.",
        "Rest of the differential felt unlikely.",
        "Ddx otherwise narrow, low suspicion for anything else.",
    ),
}

# Several diagnoses listed early in the note, and what is said of each later on.
LISTS = {
    2: (
        "Booked w/ two issues: first, {0}; second, {1}.",
        "Letter names two problems: first {0}, second {1}.",
        "Two things on the booking sheet, the first {0}, the second {1}.",
    ),
    3: (
        "Problem list: 1. {0} 2. {1} 3. {2}.",
        "Problems on file: (1) {0}, (2) {1}, (3) {2}.",
        "Problem list on arrival: 1) {0}; 2) {1}; 3) {2}.",
    ),
}
REFERENCES = {2: ("the first", "the second"), 3: ("problem 1", "problem 2", "problem 3")}
CLAUSES = {
    "current": (
        "{ref} is the reason for today's visit",
        "{ref} brings pt in today",
        "{ref} is active and needs treatment now",
        "here today because of {ref}",
    ),
    "history": (
        "{ref} dates back {n} yrs, inactive",
        "{ref} is old hx, not active now",
        "{ref} was treated {n} yrs ago",
    ),
    "ruled_out": (
        "{ref} has been ruled out",
        "{ref} was excluded by work-up",
        "no evidence of {ref} today",
    ),
    "resolved": (
        "{ref} has resolved",
        "{ref} has cleared up, off treatment now",
        "{ref} settled after last visit",
    ),
    "considered": (
        "{ref} was considered and felt unlikely",
        "{ref} does not fit the picture today",
        "{ref} is not favored",
    ),
}
VAGUE_CLAUSES = CLAUSES | {"current": ("{ref} noted", "{ref} as above", "{ref} mentioned by pt")}

SOCIAL = (
    "SHx: {living}, ethnicity {ethnicity}, insurance {coverage}.",
    "Social: {living}. Ethnicity {ethnicity}. Coverage: {coverage}.",
    "{living}, independent in ADLs. Ethnicity recorded as {ethnicity}, insurance {coverage}.",
    "Registration: ethnicity {ethnicity}, insurance {coverage}, {living}.",
)
COVERAGE = {"private": "private", "medicare": "Medicare", "medicaid": "Medicaid", "uninsured": "none"}
VITALS = (
    "Vitals: BP {systolic}/{diastolic}, HR {pulse}, RR {breaths}, T {temperature} C, SpO2 {oxygen}% on RA.",
    "VS: T {temperature}, HR {pulse}, BP {systolic}/{diastolic}, RR {breaths}, sats {oxygen}% on room air.",
    "O/E BP {systolic}/{diastolic} mmHg, pulse {pulse} regular, RR {breaths}, SpO2 {oxygen}%, temp {temperature} C.",
    "Obs: HR {pulse}, BP {systolic}/{diastolic}, T {temperature}, sats {oxygen}%, RR {breaths}, BMI {bmi}.",
)
EXAMS = (
    "Alert and oriented, no acute distress.",
    "Looks comfortable at rest, well hydrated.",
    "General appearance fair, speaks in full sentences.",
    "Exam as documented on flow sheet, no new focal findings.",
    "Pt cooperative, walks unaided to the exam room.",
    "Exam findings unchanged from prior note.",
    "Appears tired but well perfused.",
)
LABS = (
    "Labs: Hb {hemoglobin}, WBC {leukocytes}, plt {platelets}, Na {sodium}, K {potassium}, Cr {creatinine}.",
    "Bloods: WBC {leukocytes}, Hb {hemoglobin}, plt {platelets}, Cr {creatinine}, Na {sodium}, K {potassium}.",
    "CBC w/ Hb {hemoglobin}, WBC {leukocytes}, plt {platelets}; BMP w/ Na {sodium}, K {potassium}, Cr {creatinine}.",
)
RESULTS = (
    "Imaging reviewed, formal report to follow.",
    "Remaining results pending at time of writing.",
    "Outside records requested and reviewed.",
    "Lab trends stable over last {n} mos.",
    "Urine dip sent, nothing acute.",
)
PLANS = (
    "Plan: discussed options w/ pt, f/u in {n} wks.",
    "Plan: review in clinic in {n} wks, sooner if worse.",
    "Plan: adjust meds as charted, recheck labs in {n} wks.",
    "A/P: management explained, written info given, RTC {n} wks.",
    "Plan: referral placed, return precautions reviewed, f/u {n} wks.",
)
ADVICE = (
    "Pt understands and agrees w/ the plan.",
    "Questions answered; pt to call w/ any concerns.",
    "Med list reconciled, no changes to allergies.",
    "Advised rest, fluids and regular meals.",
    "Return sooner if fever, severe pain or any new symptoms.",
    "Most of the visit spent on counseling.",
    "Copy of this note sent to PCP.",
)

# Mean, standard deviation and decimals, typical of adult outpatients and the same for every class.
FIGURES = {
    "systolic": (130, 14, 0),
    "diastolic": (78, 8, 0),
    "pulse": (76, 10, 0),
    "breaths": (16, 1.5, 0),
    "temperature": (36.8, 0.3, 1),
    "oxygen": (97, 0.8, 0),
    "bmi": (27, 3, 0),
    "hemoglobin": (13.6, 1.1, 1),
    "leukocytes": (7.2, 1.5, 1),
    "platelets": (245, 45, 0),
    "sodium": (139, 2, 0),
    "potassium": (4.2, 0.3, 1),
    "creatinine": (0.9, 0.12, 1),
}

# What makes a text of ICD-10-CM unfit for a note: words of residual or compound classes and words that are cues here,
# then parts of words that fit one sex or one age only, or that are no longer said of a person.
UNFIT_WORDS = (
    "other another unspecified unidentified elsewhere classified nos nec not stated condition conditions diseases "
    "specification affecting following complicating sequelae after as by from status overlapping defined right left "
    "bilateral unilateral initial active inactive symptomatic use class carrier male adult testis testes parametrium "
    "labium broad round cul"
)
UNFIT_PARTS = (
    "prostat penis penile testic orchi scrot sperm epididym seminal impoten female ovar oviduct oophor uter vagin vulv "
    "clitor cervix endometr menstr menorr menopaus climact breast mamma lactat placent pregnan puerp matern obstet "
    "partum gestation fallop hydatidiform bartholin genital sexual gender newborn neonat infan child juvenil congenit "
    "senil adolesc premature puberty masturb pedophil fetish voyeur exhibition masoch frotteur satyr nymph transvest "
    "idiot retard cretin dwarf subnormal imbecil moron hysteri psychopath inadequate fanatic haltlose eccentric"
)
