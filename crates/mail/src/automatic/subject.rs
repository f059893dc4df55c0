//! Subjects of automatic replies, as mail programs and providers write them in many languages.
//!
//! People also write about absence (`Out of office hours?`), so a phrase counts only where automatic
//! replies have it: at the start, followed by a colon or nothing.
//!
//! Why this is one file: it is a table of phrases by language.

use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The maximum number of bytes of a subject that are examined.
const LONGEST: usize = 1_000;

/// Whether a subject is that of an automatic reply.
pub fn is_answering_machines(subject: &str) -> bool {
    let subject = folded(subject);
    let start = subject.trim_start_matches(OPENING);
    if answered(start).is_some() {
        return false;
    }
    let begins = |heads: &[String], fits: fn(&str, bool) -> bool| {
        let asks = subject.contains('?');
        heads.iter().any(|head| {
            start.strip_prefix(head.as_str()).is_some_and(|rest| fits(rest.trim_start(), asks))
        })
    };
    begins(&TABLES.sure, ends_phrase)
        || begins(&TABLES.doubtful, |rest, _| heads_an_answer(rest))
        || is_from_notes(start)
}

/// Whether a subject is that of a receipt or of a mail system's report, about a reply or about a
/// mail that asked for a confirmation.
pub(super) fn is_reports(subject: &str) -> bool {
    let subject = folded(subject);
    let start = subject.trim_start_matches(OPENING);
    TABLES.reports.iter().any(|head| {
        start.strip_prefix(head.as_str()).is_some_and(|rest| heads_an_answer(rest.trim_start()))
    })
}

/// Whether a subject mentions absence at all. People's subjects do so, too: use this only if people do
/// not write there.
pub fn speaks_of_absence(subject: &str) -> bool {
    let subject = folded(subject);
    let has = |phrases: &[String]| phrases.iter().any(|phrase| subject.contains(phrase.as_str()));
    has(&TABLES.sure) || has(&TABLES.absence) || is_answering_machines(&subject)
}

/// Whether a subject begins like a person's reply.
pub fn is_persons_answer(subject: &str) -> bool {
    answered(&folded(subject)).is_some()
}

/// Converts to lower case, without accents, with plain blanks, colons and apostrophes.
fn folded(subject: &str) -> String {
    let plain = subject
        .chars()
        .take(LONGEST)
        .flat_map(char::to_lowercase)
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .map(|letter| match letter {
            '’' | '‘' | '`' | '´' => '\'',
            'ı' => 'i',
            'ø' => 'o',
            'ł' => 'l',
            letter if letter.is_control() => ' ',
            letter => letter,
        });
    let plain: String = plain.collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text that may precede a phrase.
const OPENING: &[char] =
    &['[', '(', '<', '{', '*', '"', '\'', '„', '“', '«', '【', '「', '-', '–', '~', '#', '!', ' '];

/// Whether the text after a phrase shows that the phrase does not begin a sentence. `asks` says
/// that there is a question mark in the subject.
fn ends_phrase(rest: &str, asks: bool) -> bool {
    let Some(first) = rest.chars().next() else { return true };
    if first == ':' || ")]>}】」\"'“”»*".contains(first) {
        return true;
    }
    if asks {
        return false;
    }
    let word = rest.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    "-–—.!,;(/|[".contains(first) || first.is_ascii_digit() || TAILS.contains(&word)
}

/// Whether a reply, or a mail that asked for a confirmation, follows: `: Re: hi`, `: confirm 0123…`.
fn heads_an_answer(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(':') else { return false };
    let rest = rest.trim_start();
    answered(rest).is_some() || crate::subject::confirmation(rest).is_some()
}

/// `AUTO: Anna Berg is out of the office (returning 01/12/2026)`.
fn is_from_notes(start: &str) -> bool {
    const SENTENCES: &[&str] = &[
        " is out of the office",
        " is out of office",
        " is away from the office",
        " ist außer haus",
        " ist ausser haus",
        " ist nicht im buro",
        " est absent",
        " esta ausente",
        " e assente",
        " e fuori sede",
        " is niet aanwezig",
        " is afwezig",
    ];
    start
        .strip_prefix("auto:")
        .or_else(|| start.strip_prefix("automatic:"))
        .is_some_and(|rest| SENTENCES.iter().any(|sentence| rest.contains(sentence)))
}

/// The subject after the marks of a reply or of a forwarded message, if there are any.
fn answered(subject: &str) -> Option<&str> {
    const MARKS: &[&str] = &[
        "re", "aw", "antw", "sv", "vs", "rif", "ris", "r", "odp", "res", "ref", "fwd", "fw", "wg",
        "tr", "rv", "enc", "i", "doorst", "vb", "vl", "ynt", "ilt", "pd", "回复", "答复", "回覆",
        "转发", "轉寄", "отв", "ha", "bls", "σχετ", "返信", "転送", "회신", "رد",
    ];
    MARKS.iter().find_map(|mark| {
        let rest = subject.strip_prefix(mark)?;
        let rest = rest.trim_start_matches(|letter: char| {
            letter.is_ascii_digit() || "[](){}^* ".contains(letter)
        });
        rest.strip_prefix(':').map(str::trim_start)
    })
}

/// Words that continue a phrase.
const TAILS: &[&str] = &[
    "until",
    "till",
    "from",
    "through",
    "re",
    "aw",
    "sv",
    "bis",
    "vom",
    "von",
    "ab",
    "jusqu",
    "du",
    "au",
    "hasta",
    "desde",
    "del",
    "fino",
    "dal",
    "ate",
    "tot",
    "t",
    "van",
    "vanaf",
    "till",
    "fra",
    "do",
    "od",
    "до",
    "с",
    "по",
    "returning",
    "back",
    "starting",
];

struct Tables {
    sure: Vec<String>,
    doubtful: Vec<String>,
    reports: Vec<String>,
    absence: Vec<String>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let fold = |phrases: &[&str]| phrases.iter().map(|phrase| folded(phrase)).collect();
    Tables {
        sure: fold(SURE),
        doubtful: fold(DOUBTFUL),
        reports: fold(REPORTS),
        absence: fold(ABSENCE),
    }
});

/// Phrases that begin an automatic reply's subject if they are the whole subject or are followed by a
/// colon.
const SURE: &[&str] = &[
    // English
    "automatic reply",
    "automatic response",
    "automatic answer",
    "automated reply",
    "automated response",
    "automatically generated reply",
    "auto reply",
    "auto-reply",
    "auto-re",
    "auto re",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "auto responder",
    "auto-responder",
    "autoresponder",
    "auto-respond",
    "autorespond",
    "auto answer",
    "auto-answer",
    "out of office",
    "out of the office",
    "out-of-office",
    "out-of-the-office",
    "out of office reply",
    "out of office autoreply",
    "out of office auto reply",
    "out of office auto-reply",
    "out of office response",
    "out of office message",
    "out of office notice",
    "out of office notification",
    "out of office alert",
    "out-of-office reply",
    "out-of-office message",
    "out of the office reply",
    "i am out of the office",
    "i am out of office",
    "i'm out of the office",
    "i'm out of office",
    "i am currently out of the office",
    "i am currently out of office",
    "i will be out of the office",
    "i am away from the office",
    "away from the office",
    "away from my mail",
    "vacation reply",
    "vacation response",
    "vacation message",
    "vacation notice",
    "vacation autoreply",
    "vacation auto-reply",
    "holiday auto-reply",
    "away message",
    "absence notice",
    "autoreply from",
    "auto-reply from",
    "automatic reply from",
    "return receipt (displayed)",
    // German
    "abwesenheitsnotiz",
    "abwesenheitsnachricht",
    "abwesenheitsmeldung",
    "abwesenheitsmitteilung",
    "abwesenheitsassistent",
    "abwesenheits-notiz",
    "abwesenheitshinweis",
    "abwesenheitsbenachrichtigung",
    "automatische abwesenheitsnotiz",
    "automatische abwesenheitsmeldung",
    "automatische antwort",
    "automatische rückantwort",
    "automatische beantwortung",
    "automatische nachricht",
    "automatische e-mail-antwort",
    "urlaubsnotiz",
    "urlaubsmeldung",
    "urlaubsbenachrichtigung",
    "nicht im büro",
    "nicht im hause",
    "außer haus",
    "ausser haus",
    "ich bin nicht im büro",
    "ich bin außer haus",
    "automatesch äntwert",
    // French
    "réponse automatique",
    "réponse auto",
    "réponse automatisée",
    "message automatique",
    "message d'absence",
    "avis d'absence",
    "notification d'absence",
    "absence du bureau",
    "absent du bureau",
    "absente du bureau",
    "absent(e) du bureau",
    "en dehors du bureau",
    "hors du bureau",
    "répondeur automatique",
    "je suis absent",
    "je suis absente",
    // Spanish
    "respuesta automática",
    "respuesta automatizada",
    "contestación automática",
    "autorespuesta",
    "auto respuesta",
    "mensaje de ausencia",
    "aviso de ausencia",
    "fuera de la oficina",
    "fuera de oficina",
    "ausente de la oficina",
    "estoy fuera de la oficina",
    // Italian
    "risposta automatica",
    "risposta automatizzata",
    "risposta autom.",
    "messaggio automatico",
    "messaggio di assenza",
    "avviso di assenza",
    "autorisposta",
    "fuori sede",
    "fuori ufficio",
    "fuori dall'ufficio",
    "assente dall'ufficio",
    // Portuguese, Catalan, Galician, Basque
    "resposta automática",
    "resposta automàtica",
    "auto-resposta",
    "autoresposta",
    "auto resposta",
    "mensagem automática",
    "mensagem de ausência",
    "aviso de ausência",
    "ausência temporária",
    "ausência do escritório",
    "ausente do escritório",
    "fora do escritório",
    "estou fora do escritório",
    "fora de l'oficina",
    "erantzun automatikoa",
    // Dutch
    "automatisch antwoord",
    "automatische reactie",
    "automatisch bericht",
    "automatische beantwoording",
    "afwezigheidsbericht",
    "afwezigheidsmelding",
    "afwezigheidsassistent",
    "afwezig bericht",
    "niet op kantoor",
    "niet aanwezig",
    "buiten kantoor",
    // Swedish, Danish, Norwegian, Icelandic
    "autosvar",
    "auto-svar",
    "automatiskt svar",
    "automatisk svar",
    "frånvaromeddelande",
    "automatiskt frånvarosvar",
    "automatisk frånvaromeddelande",
    "frånvarande",
    "inte på kontoret",
    "ej på kontoret",
    "fraværsmeddelelse",
    "fraværsbesked",
    "fraværsmelding",
    "automatisk fraværsmelding",
    "automatisk fraværsbesked",
    "ikke til stede",
    "ikke på kontoret",
    "ute av kontoret",
    "ude af kontoret",
    "sjálfvirkt svar",
    // Finnish, Estonian, Latvian, Lithuanian
    "automaattinen vastaus",
    "automaattivastaus",
    "poissaoloilmoitus",
    "poissaoloviesti",
    "poissa toimistosta",
    "en ole toimistolla",
    "automaatvastus",
    "automaatne vastus",
    "kontorist väljas",
    "automātiskā atbilde",
    "automātiska atbilde",
    "automatinis atsakymas",
    // Polish
    "autoodpowiedź",
    "auto-odpowiedź",
    "automatyczna odpowiedź",
    "odpowiedź automatyczna",
    "automatyczna wiadomość",
    "informacja o nieobecności",
    "powiadomienie o nieobecności",
    "nieobecność w biurze",
    "nieobecny w biurze",
    "poza biurem",
    // Czech, Slovak, Hungarian, Romanian
    "automatická odpověď",
    "automatická odpoveď",
    "oznámení o nepřítomnosti",
    "mimo kancelář",
    "mimo kanceláře",
    "mimo kancelárie",
    "nejsem v kanceláři",
    "som mimo kancelárie",
    "automatikus válasz",
    "automatikus válaszüzenet",
    "házon kívül",
    "irodán kívül",
    "távolléti értesítés",
    "távolléti üzenet",
    "răspuns automat",
    "absent de la birou",
    // Croatian, Serbian, Bosnian, Slovenian
    "automatski odgovor",
    "аутоматски одговор",
    "izvan ureda",
    "samodejni odgovor",
    "samodejno odgovarjanje",
    "odsoten iz pisarne",
    // Russian, Ukrainian, Bulgarian
    "автоматический ответ",
    "автоматическое уведомление",
    "автоматическое сообщение",
    "автоответ",
    "автоответчик",
    "отсутствие на рабочем месте",
    "вне офиса",
    "нет на месте",
    "нет в офисе",
    "я в отпуске",
    "автоматична відповідь",
    "автовідповідь",
    "автовідповідач",
    "поза офісом",
    "автоматичен отговор",
    "извън офиса",
    // Greek, Turkish
    "αυτόματη απάντηση",
    "εκτός γραφείου",
    "otomatik yanıt",
    "otomatik cevap",
    "otomatik yanıtlama",
    "ofis dışında",
    "ofis dışı",
    "işyeri dışında",
    "iş yeri dışında",
    // Arabic, Persian, Hebrew, Urdu
    "رد تلقائي",
    "الرد التلقائي",
    "رد آلي",
    "الرد الآلي",
    "خارج المكتب",
    "پاسخ خودکار",
    "خودکار جواب",
    "מענה אוטומטי",
    "תשובה אוטומטית",
    "מחוץ למשרד",
    // Hindi, Bengali, Thai, Vietnamese, Indonesian, Malay
    "स्वचालित उत्तर",
    "स्वतः उत्तर",
    "स्वचालित प्रतिक्रिया",
    "স্বয়ংক্রিয় উত্তর",
    "ตอบกลับอัตโนมัติ",
    "การตอบกลับอัตโนมัติ",
    "trả lời tự động",
    "thư trả lời tự động",
    "balasan otomatis",
    "jawaban otomatis",
    "balas otomatis",
    "balasan automatik",
    "jawapan automatik",
    // Japanese
    "自動応答",
    "自動応答メッセージ",
    "自動返信",
    "自動返信メール",
    "自動回答",
    "不在通知",
    "不在のお知らせ",
    "不在応答",
    "外出中",
    "休暇中",
    // Chinese
    "自动回复",
    "自动答复",
    "自动应答",
    "自动回信",
    "外出自动回复",
    "外出自动答复",
    "休假自动回复",
    "外出通知",
    "不在办公室",
    "自動回覆",
    "自動答覆",
    "自動回復",
    "自動回應",
    "不在辦公室",
    // Korean
    "자동 회신",
    "자동회신",
    "자동 응답",
    "자동응답",
    "자동 답장",
    "자동답장",
    "부재중",
    "부재 중",
    "부재중 알림",
    "부재중 자동 응답",
    "부재 중 회신",
    // Esperanto, Welsh
    "aŭtomata respondo",
    "allan o'r swyddfa",
    "ymateb awtomatig",
];

/// Words that also begin subjects of people: they count only before a reply.
const DOUBTFUL: &[&str] = &[
    "auto",
    "automatic",
    "away",
    "vacation",
    "on vacation",
    "holiday",
    "on holiday",
    "absence",
    "absent",
    "absente",
    "ausente",
    "ausencia",
    "ausência",
    "assente",
    "assenza",
    "abwesend",
    "abwesenheit",
    "urlaub",
    "im urlaub",
    "congés",
    "en congés",
    "vacances",
    "vacaciones",
    "férias",
    "de férias",
    "ferie",
    "in ferie",
    "semester",
    "på semester",
    "frånvaro",
    "fravær",
    "poissa",
    "lomalla",
    "nieobecność",
    "nieobecny",
    "nieobecna",
    "urlop",
    "nepřítomnost",
    "dovolená",
    "szabadság",
    "távollét",
    "afwezig",
    "vakantie",
    "отпуск",
    "в отпуске",
    "отсутствую",
    "відпустка",
    "izin",
    "不在",
    "休暇",
    "休假",
    "외출",
    "휴가",
];

/// Words that begin the subjects of receipts and of mail systems' reports, followed by the original
/// subject.
const REPORTS: &[&str] = &[
    "read",
    "not read",
    "read receipt",
    "return receipt",
    "delivered",
    "relayed",
    "undeliverable",
    "undelivered",
    "returned mail",
    "delivery failure",
    "delivery delayed",
    "gelesen",
    "nicht gelesen",
    "ungelesen gelöscht",
    "übermittelt",
    "unzustellbar",
    "lu",
    "non lu",
    "non remis",
    "leído",
    "no leído",
    "no se puede entregar",
    "letto",
    "non letto",
    "non recapitabile",
    "lida",
    "não lida",
    "não é possível entregar",
    "gelezen",
    "niet gelezen",
    "onbestelbaar",
    "läst",
    "oläst",
    "læst",
    "lest",
    "luettu",
    "przeczytano",
    "nie przeczytano",
    "niedostarczalne",
    "přečteno",
    "elolvasva",
    "прочитано",
    "прочтено",
    "не прочтено",
    "недоставлено",
    "okundu",
    "تمت القراءة",
    "開封済み",
    "开封",
    "已读",
    "讀取",
    "읽음",
];

/// Words about absence, anywhere in a subject.
const ABSENCE: &[&str] = &[
    "auto:",
    "on vacation",
    "vacation",
    "on holiday",
    "on leave",
    "away from",
    "i am away",
    "abwesen",
    "im urlaub",
    "absence",
    "absent",
    "ausente",
    "ausência",
    "assente",
    "afwezig",
    "frånvaro",
    "fravær",
    "nieobecn",
    "poissa",
    "в отпуске",
    "不在",
    "休假",
    "휴가",
];

#[cfg(test)]
mod tests;
