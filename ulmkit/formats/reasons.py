"""Why a record could not be delivered: the closed list that manifests count by."""

TRUNCATED = "truncated"
DAMAGED = "damaged"
BOMB = "expands too much"
TOO_LARGE = "too large"
NESTING = "nested too deep"
LINK = "link or device"
ENCRYPTED = "encrypted"
UNSUPPORTED = "format not read"
NOT_TEXT = "not text"
ENCODING = "encoding"
NO_TEXT = "no text field"
EMPTY_TEXT = "empty"
BAD_RECORD = "bad record"
DOCUMENT_TYPE = "document type declaration"
REDIRECT = "redirect"
OTHER_NAMESPACE = "namespace"
NOT_WIKITEXT = "not wikitext"
NOT_A_PAGE = "not a page"
STATUS = "http status"
REVISIT = "revisit"
STORAGE = "cannot be opened"
SEVERAL = "many documents in one text"
UNSURE = "layout not sure"
CUT_ENTRY = "entry without its whole text"

# no fault: left out because nobody would want it as text
UNWANTED = frozenset((REDIRECT, OTHER_NAMESPACE, NOT_WIKITEXT, NOT_A_PAGE, STATUS, REVISIT, EMPTY_TEXT, SEVERAL))

MEANING: dict[str, str] = {
    TRUNCATED: "the file ends in the middle; everything before the cut was read",
    DAMAGED: "the bytes contradict their own format or checksum",
    BOMB: "decompresses to far more than its size allows",
    TOO_LARGE: "one record or member is larger than the limit",
    NESTING: "archives inside archives, deeper than the limit",
    LINK: "a link, device or other special file, in an archive or on disk",
    ENCRYPTED: "needs a password",
    UNSUPPORTED: "recognised, but not a format that is read; the detail says what to do",
    NOT_TEXT: "neither text nor a page: an image, a program, a script",
    ENCODING: "bytes that no known encoding makes sense of",
    NO_TEXT: "a record without the text field",
    EMPTY_TEXT: "a record whose text is empty",
    BAD_RECORD: "a record that does not parse",
    DOCUMENT_TYPE: "XML with a document type declaration, which may hold entity bombs",
    REDIRECT: "a wiki page that only points to another",
    OTHER_NAMESPACE: "a wiki page outside the wanted namespaces: talk, user, template …",
    NOT_WIKITEXT: "a wiki page in another content model: script, style sheet, data",
    NOT_A_PAGE: "a web archive record that holds no page: request, metadata, crawl notes",
    STATUS: "a page that the server did not deliver with status 200",
    REVISIT: "a web archive record that only refers to an earlier one",
    CUT_ENTRY: "an entry of a feed that holds a summary or a beginning; the detail says by which sign",
    UNSURE: "a short table that two layouts fit, read as one of them; the detail says as which",
    SEVERAL: "a text too long for one document, read as several; the detail says which way",
    STORAGE: "the system refused to open or read it",
}
