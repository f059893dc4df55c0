use super::*;

#[test]
fn answering_machines_of_many_languages_are_known() {
    for subject in [
        "Automatic reply: [Talk] hi",
        "Out of Office: Re: [Talk] hi",
        "Out of Office AutoReply: confirm 0123",
        "Out of office until 7 December",
        "out of the office",
        "Out of office Re: [Talk] hi",
        "[Auto-Reply] hi",
        "Autoreply: hi",
        "Auto: Re: [Talk] hi",
        "AUTO: Anna Berg is out of the office (returning 01.12.2026)",
        "Vacation: Re: [Talk] hi",
        "Abwesenheitsnotiz: [Talk] hi",
        "ABWESENHEITSNOTIZ",
        "Automatische Antwort: [Talk] hi",
        "Urlaub: AW: [Talk] hi",
        "AUTO: Anna Berg ist außer Haus (Rückkehr am 01.12.2026)",
        "Réponse automatique : [Talk] hi",
        "Re\u{301}ponse automatique\u{a0}: hi",
        "Reponse automatique: hi",
        "Absence du bureau : hi",
        "Message d’absence",
        "Respuesta automática: hi",
        "Fuera de la oficina: hi",
        "Risposta automatica: hi",
        "Fuori ufficio: hi",
        "Resposta automática: hi",
        "Fora do escritório: hi",
        "Automatisch antwoord: hi",
        "Afwezigheidsbericht: hi",
        "Automatyczna odpowiedź: hi",
        "Odpowiedź automatyczna: hi",
        "Автоматический ответ: hi",
        "Автоответ: hi",
        "Вне офиса: hi",
        "自動応答: hi",
        "不在通知：hi",
        "自动回复: hi",
        "自动答复：hi",
        "自動回覆: hi",
        "Autosvar: hi",
        "Automatiskt svar: hi",
        "Automatisk svar: hi",
        "Ikke til stede: hi",
        "Automaattinen vastaus: hi",
        "Automatická odpověď: hi",
        "Mimo kancelář: hi",
        "Otomatik yanıt: hi",
        "OTOMATİK YANIT: hi",
        "Ofis Dışında: hi",
        "자동 회신: hi",
        "부재 중: hi",
        "رد تلقائي: hi",
        "מענה אוטומטי: hi",
        "Αυτόματη απάντηση: hi",
        "Automatikus válasz: hi",
        "Răspuns automat: hi",
        "Автоматична відповідь: hi",
        "Trả lời tự động: hi",
        "ตอบกลับอัตโนมัติ: hi",
        "स्वचालित उत्तर: hi",
    ] {
        assert!(is_answering_machines(subject), "{subject} {}", folded(subject));
    }
}

#[test]
fn receipts_and_reports_name_what_they_are_about() {
    let code = "confirm 0123456789abcdef0123456789abcdef01234567";
    for subject in [
        &format!("Read: {code}"),
        &format!("Undeliverable: {code}"),
        &format!("Lu : {code}"),
        "Gelesen: Re: [Talk] hi",
        "Unzustellbar: AW: [Talk] hi",
        "已读: 回复：hi",
    ] {
        assert!(is_reports(subject), "{subject}");
        // A bounce without the format of one is not an automatic reply.
        assert!(!is_answering_machines(subject), "{subject}");
    }
    assert!(!is_reports("Read: a book about lists"));
    assert!(!is_reports("Undeliverable: what does it mean"));
}

#[test]
fn people_write_about_absence() {
    for subject in [
        "Re: Out of office hours?",
        "Out of office hours?",
        "Out of office work, tips and tricks",
        "Out of office - how do you do it?",
        "Re: Automatic reply: [Talk] hi",
        "AW: Abwesenheitsnotiz: hi",
        "RE : Réponse automatique : hi",
        "回复：自动回复",
        "Fwd: Out of Office: hi",
        "Automatic reply settings",
        "Automatic replies to the list",
        "How do I set up an out of office reply?",
        "Autoreply loops on this list",
        "Autoresponders considered harmful",
        "Abwesenheitsnotizen nerven",
        "Réponse automatique aux abonnés du forum",
        "Vacation: who comes along?",
        "Vacation plans",
        "Urlaub: wer kommt mit?",
        "Absence de Paul",
        "Auto: Golf zu verkaufen",
        "Automatic: or manual gears?",
        "Read: a book about lists",
        "Lu : un article",
        "Undeliverable: what does it mean",
        "自动回复功能怎么用",
        "confirm 0123456789abcdef0123456789abcdef01234567",
        "Re: confirm 0123456789abcdef0123456789abcdef01234567",
        "subscribe",
        "",
    ] {
        assert!(!is_answering_machines(subject), "{subject}");
    }
}

#[test]
fn a_subject_of_any_length_takes_little_time() {
    assert!(!is_answering_machines(&"re ".repeat(1_000_000)));
    assert!(is_answering_machines(&format!("Autoreply: {}", "a: ".repeat(1_000_000))));
}
