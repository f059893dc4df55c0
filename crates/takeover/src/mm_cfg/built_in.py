# The settings of Mailman 2.1.39 that a site's own settings build on.
DEFAULT_URL_PATTERN = 'http://%s/mailman/'
DEFAULT_EMAIL_HOST = ''
DEFAULT_URL_HOST = ''
DEFAULT_HOST_NAME = None
DEFAULT_URL = None
MAILMAN_SITE_LIST = 'mailman'
VIRTUAL_HOSTS = {}
KNOWN_SPAMMERS = []
GLOBAL_BAN_LIST = []
POSTFIX_STYLE_VIRTUAL_DOMAINS = []
VIRTUAL_MAILMAN_LOCAL_DOMAIN = None
VERBATIM_ENCODING = ['iso-2022-jp']
SENDER_HEADERS = ('from', None, 'reply-to', 'sender')
ANONYMOUS_LIST_KEEP_HEADERS = ['^(?!x-)', '^x-mailman-', '^x-content-filtered-by:', '^x-topics:',
    '^x-ack:', '^x-beenthere:', '^x-list-administrivia:', '^x-spam-']
GLOBAL_PIPELINE = ['SpamDetect', 'Approve', 'Replybot', 'Moderate', 'Hold', 'MimeDel', 'Scrubber',
    'Emergency', 'Tagger', 'CalcRecips', 'AvoidDuplicates', 'Cleanse', 'CleanseDKIM',
    'CookHeaders', 'ToDigest', 'ToArchive', 'ToUsenet', 'AfterDelivery', 'Acknowledge',
    'WrapMessage', 'ToOutgoing']
OWNER_PIPELINE = ['SpamDetect', 'Replybot', 'OwnerRecips', 'ToOutgoing']
QRUNNERS = [('ArchRunner', 1), ('BounceRunner', 1), ('CommandRunner', 1), ('IncomingRunner', 1),
    ('NewsRunner', 1), ('OutgoingRunner', 1), ('VirginRunner', 1), ('RetryRunner', 1)]
ADMIN_CATEGORIES = ['general', 'passwords', 'language', 'members', 'nondigest', 'digest',
    'privacy', 'bounce', 'archive', 'gateway', 'autoreply', 'contentfilter', 'topics']
NNTP_REMOVE_HEADERS = ['nntp-posting-host', 'nntp-posting-date', 'x-trace', 'x-complaints-to',
    'xref', 'date-received', 'posted', 'posting-version', 'relay-version', 'received']
NNTP_REWRITE_DUPLICATE_HEADERS = []
MIME_DIGEST_KEEP_HEADERS = ['Date', 'From', 'To', 'Cc', 'Subject', 'Message-ID', 'Keywords',
    'In-Reply-To', 'References', 'Content-Type', 'MIME-Version', 'Content-Transfer-Encoding',
    'Precedence', 'Reply-To', 'List-Post', 'Message']
PLAIN_DIGEST_KEEP_HEADERS = ['Message', 'Date', 'From', 'To', 'Cc', 'Subject', 'Message-ID',
    'Keywords', 'Content-Type']
DEFAULT_PASS_MIME_TYPES = ['multipart', 'message/rfc822', 'application/pgp-signature',
    'text/plain']
DEFAULT_FILTER_MIME_TYPES = []
DEFAULT_FILTER_FILENAME_EXTENSIONS = ['exe', 'bat', 'cmd', 'com', 'pif', 'scr', 'vbs', 'cpl']
DEFAULT_PASS_FILENAME_EXTENSIONS = []
VERP_FORMAT = '%(bounces)s+%(mailbox)s=%(host)s'
VERP_CONFIRM_FORMAT = '%(addr)s+%(cookie)s'
VERP_PROBE_FORMAT = '%(bounces)s+%(token)s'
PREFIX = '/usr/local/mailman'
EXEC_PREFIX = PREFIX
VAR_PREFIX = PREFIX
MAILMAN_USER = 'mailman'
MAILMAN_GROUP = 'mailman'
CGIEXT = ''
PENDING_REQUEST_LIFE = days(3)
MAX_AUTORESPONSES_PER_DAY = 10
DEFAULT_SERVER_LANGUAGE = 'en'
add_language('ar', _('Arabic'), 'utf-8')
add_language('ast', _('Asturian'), 'iso-8859-1')
add_language('ca', _('Catalan'), 'utf-8')
add_language('cs', _('Czech'), 'iso-8859-2')
add_language('da', _('Danish'), 'iso-8859-1')
add_language('de', _('German'), 'iso-8859-1')
add_language('en', _('English'), 'us-ascii')
add_language('eo', _('Esperanto'), 'utf-8')
add_language('es', _('Spanish'), 'iso-8859-1')
add_language('et', _('Estonian'), 'iso-8859-15')
add_language('eu', _('Basque'), 'iso-8859-15')
add_language('fa', _('Persian'), 'utf-8')
add_language('fi', _('Finnish'), 'iso-8859-1')
add_language('fr', _('French'), 'iso-8859-1')
add_language('gl', _('Galician'), 'utf-8')
add_language('el', _('Greek'), 'iso-8859-7')
add_language('he', _('Hebrew'), 'utf-8')
add_language('hr', _('Croatian'), 'iso-8859-2')
add_language('hu', _('Hungarian'), 'iso-8859-2')
add_language('ia', _('Interlingua'), 'iso-8859-15')
add_language('it', _('Italian'), 'iso-8859-1')
add_language('ja', _('Japanese'), 'euc-jp')
add_language('ko', _('Korean'), 'euc-kr')
add_language('lt', _('Lithuanian'), 'iso-8859-13')
add_language('nl', _('Dutch'), 'iso-8859-1')
add_language('no', _('Norwegian'), 'iso-8859-1')
add_language('pl', _('Polish'), 'iso-8859-2')
add_language('pt', _('Portuguese'), 'iso-8859-1')
add_language('pt_BR', _('Brazilian'), 'iso-8859-1')
add_language('ro', _('Romanian'), 'utf-8')
add_language('ru', _('Russian'), 'utf-8')
add_language('sk', _('Slovak'), 'utf-8')
add_language('sl', _('Slovenian'), 'iso-8859-2')
add_language('sr', _('Serbian'), 'utf-8')
add_language('sv', _('Swedish'), 'iso-8859-1')
add_language('tr', _('Turkish'), 'iso-8859-9')
add_language('uk', _('Ukrainian'), 'utf-8')
add_language('vi', _('Vietnamese'), 'utf-8')
add_language('zh_CN', _('Chinese'), 'utf-8')
add_language('zh_TW', _('Taiwanese'), 'utf-8')
