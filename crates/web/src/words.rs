//! What the page of a list says, in the languages that mail to members is written in.

use dormouse_store::SubscribePolicy;

/// The page's words.
#[derive(Debug, Clone, Copy)]
pub struct ListWords {
    /// The language, as pages name it.
    pub code: &'static str,
    pub posts_to: &'static str,
    pub archive: &'static str,
    pub search: &'static str,
    pub run_by: &'static str,
    pub join: &'static str,
    /// On the button, before the list's name.
    pub join_it: &'static str,
    pub your_address: &'static str,
    pub your_name: &'static str,
    /// For those who see a field that nobody should fill in.
    pub leave_empty: &'static str,
    pub how: &'static str,
    pub one_by_one: &'static str,
    pub digests: &'static str,
    pub language: &'static str,
    pub member_already: &'static str,
    pub your_options: &'static str,
    pub who: &'static str,
    pub once_more: &'static str,
    confirm: &'static str,
    approve: &'static str,
    confirm_and_approve: &'static str,
}

impl ListWords {
    /// In a language; in English, where there are none in that.
    pub fn of(language: &str) -> &'static ListWords {
        let language = language.split(['-', '_']).next().unwrap_or_default();
        ALL.iter().find(|words| words.code == language).unwrap_or(&ALL[0])
    }

    /// What follows when somebody asks to join.
    pub fn note(&self, policy: SubscribePolicy) -> &'static str {
        match policy {
            SubscribePolicy::Open => "",
            SubscribePolicy::Confirm => self.confirm,
            SubscribePolicy::Approve => self.approve,
            SubscribePolicy::ConfirmAndApprove => self.confirm_and_approve,
        }
    }
}

const ALL: [ListWords; 4] = [
    ListWords {
        code: "en",
        posts_to: "Posts go to",
        archive: "Archive",
        search: "Search",
        run_by: "Run by",
        join: "Join",
        join_it: "Join",
        your_address: "Your address",
        your_name: "Your name, if you like",
        leave_empty: "Please leave this empty",
        how: "How would you like the posts?",
        one_by_one: "One by one",
        digests: "Collected in digests",
        language: "Language of what the list server writes to you",
        member_already: "A member already?",
        your_options: "Your options, or leave",
        who: "Who is a member",
        once_more: "Nothing was done yet. Please look it over, and send it once more.",
        confirm: "You get a mail that asks for a confirmation, so that nobody can do this in your name.",
        approve: "Those who run the list decide on it. You hear of their decision.",
        confirm_and_approve: "You get a mail that asks for a confirmation. Then those who run the list decide.",
    },
    ListWords {
        code: "de",
        posts_to: "Beiträge gehen an",
        archive: "Archiv",
        search: "Suche",
        run_by: "Betreut von",
        join: "Mitglied werden",
        join_it: "Abonnieren:",
        your_address: "Ihre E-Mail-Adresse",
        your_name: "Ihr Name, wenn Sie möchten",
        leave_empty: "Bitte leer lassen",
        how: "Wie möchten Sie die Beiträge erhalten?",
        one_by_one: "Einzeln",
        digests: "Gesammelt in Nachrichtensammlungen",
        language: "Sprache der Mails, die der Listenserver Ihnen schreibt",
        member_already: "Schon Mitglied?",
        your_options: "Ihre Einstellungen, oder austreten",
        who: "Wer Mitglied ist",
        once_more: "Noch ist nichts geschehen. Bitte sehen Sie es durch und senden Sie es noch einmal.",
        confirm: "Sie bekommen eine Mail, die um eine Bestätigung bittet, damit niemand in Ihrem Namen beitritt.",
        approve: "Die Betreuer der Liste entscheiden darüber und teilen es Ihnen mit.",
        confirm_and_approve: "Sie bekommen eine Mail, die um eine Bestätigung bittet. Danach entscheiden die Betreuer der Liste.",
    },
    ListWords {
        code: "fr",
        posts_to: "Les messages vont à",
        archive: "Archives",
        search: "Recherche",
        run_by: "Gérée par",
        join: "S'abonner",
        join_it: "S'abonner à",
        your_address: "Votre adresse",
        your_name: "Votre nom, si vous voulez",
        leave_empty: "Laissez ce champ vide",
        how: "Comment voulez-vous recevoir les messages ?",
        one_by_one: "Un par un",
        digests: "Réunis en résumés",
        language: "Langue des courriels que le serveur vous envoie",
        member_already: "Déjà membre ?",
        your_options: "Vos réglages, ou se désabonner",
        who: "Qui est membre",
        once_more: "Rien n'a encore été fait. Veuillez vérifier et envoyer de nouveau.",
        confirm: "Vous recevrez un courriel qui demande une confirmation, pour que personne ne le fasse en votre nom.",
        approve: "Les responsables de la liste décident et vous font part de leur décision.",
        confirm_and_approve: "Vous recevrez un courriel qui demande une confirmation. Ensuite, les responsables de la liste décident.",
    },
    ListWords {
        code: "es",
        posts_to: "Los mensajes van a",
        archive: "Archivo",
        search: "Buscar",
        run_by: "A cargo de",
        join: "Suscribirse",
        join_it: "Suscribirse a",
        your_address: "Su dirección",
        your_name: "Su nombre, si quiere",
        leave_empty: "Deje este campo vacío",
        how: "¿Cómo quiere recibir los mensajes?",
        one_by_one: "Uno a uno",
        digests: "Reunidos en resúmenes",
        language: "Idioma de los correos que le escribe el servidor",
        member_already: "¿Ya es miembro?",
        your_options: "Sus opciones, o darse de baja",
        who: "Quién es miembro",
        once_more: "Todavía no se ha hecho nada. Revíselo y envíelo otra vez.",
        confirm: "Recibirá un correo que pide una confirmación, para que nadie lo haga en su nombre.",
        approve: "Los responsables de la lista deciden y le comunican su decisión.",
        confirm_and_approve: "Recibirá un correo que pide una confirmación. Después deciden los responsables de la lista.",
    },
];
