// The report as one page that needs nothing else: to be read on a screen, to be printed, to be sent. The signed document is in it.

import { assertSourced } from './proof-source.ts'
import { type EvidenceReport, type EvidenceStatement, type EvidenceVerdict, tally } from './report.ts'
import type { SignedEvidence } from './signature.ts'

const verdicts: Readonly<Record<EvidenceVerdict, { readonly mark: string; readonly word: string }>> = {
  passed: { mark: '✓', word: 'passed' },
  failed: { mark: '✗', word: 'failed' },
  told: { mark: 'i', word: 'stated' },
  not_present: { mark: '–', word: 'not present' },
  not_seen: { mark: '?', word: 'not seen' },
}

/** Characters of a name that one line of a printed page has room for. */
const nameMax = 50

/** Where the signed report is in the page. */
const elementId = 'partywall-evidence'

/** The JWS in a page; undefined when it is no such page. */
export function signedIn(page: string): string | undefined {
  return new RegExp(`<script type="application/jose" id="${elementId}">([\\w.-]+)</script>`).exec(page)?.[1]
}

/**
 * One HTML document, UTF-8: of the same report always the same.
 *
 * @throws {EvidenceInvalidError} when a sentence of it names nothing that is behind it.
 */
export function htmlOf({ report, text, kid }: SignedEvidence): string {
  assertSourced(report)
  const counts = tally(report)
  const summary = Object.entries(verdicts)
    .map(([verdict, { word }]) => `<li class="${verdict}"><b>${counts[verdict as EvidenceVerdict]}</b> ${word}</li>`)
    .join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Evidence of isolation: ${escaped(report.tenant.name)}, ${report.generatedAt.slice(0, 10)}</title>
<style>${style}${printStyle(report)}</style>
</head>
<body>
<header>
<h1>Evidence of isolation</h1>
<dl>
${definitions(report, kid)}
</dl>
<ul class="summary">${summary}</ul>
<p>Every sentence has been derived from something that was looked at when this report was made; what that was stands below it. What was not looked at has not passed.</p>
</header>
<main>
${report.sections.map(({ id, question, statements }) => `<section id="${id}">\n<h2>${escaped(question)}</h2>\n${statements.map(statementOf).join('\n')}\n</section>`).join('\n')}
</main>
<footer>
<p>Signed with Ed25519 (RFC 8037), key <code>${escaped(kid)}</code>. To verify: <code>partywall verify-evidence FILE --key KEYS</code>. Get the public key by another way than this report.</p>
</footer>
<script type="application/jose" id="${elementId}">${text}</script>
</body>
</html>
`
}

function definitions({ tenant, generatedAt, since, partywall }: EvidenceReport, kid: string): string {
  return [
    ['Customer', `${tenant.name} (${tenant.slug})`],
    ['Identifier', tenant.id],
    ['Placement', `${tenant.isolation}, region ${tenant.region}`],
    ['Made', generatedAt],
    ['Events since', since],
    ['By', `partywall ${partywall}, key ${kid}`],
  ]
    .map(([term, text]) => `<dt>${term}</dt><dd>${escaped(text ?? '')}</dd>`)
    .join('\n')
}

function statementOf({ text, verdict, proof, controls }: EvidenceStatement): string {
  const { mark, word } = verdicts[verdict]
  const details = proof.details.map((line) => `<li>${escaped(line)}</li>`).join('')
  return `<article class="${verdict}">
<p><span class="mark" title="${word}" aria-label="${word}">${mark}</span> ${escaped(text)}</p>
<p class="proof">${word} · ${escaped(proof.by)} · ${proof.at}${controls.length === 0 ? '' : ` · ${escaped(controls.join(', '))}`}</p>
${details === '' ? '' : `<details><summary>${proof.details.length === 1 ? 'What was seen' : `What was seen (${proof.details.length})`}</summary><ul>${details}</ul></details>`}
</article>`
}

/** Whose it is and of when stands on each printed page: pages are parted, and copied. */
function printStyle({ tenant, generatedAt }: EvidenceReport): string {
  const characters = [...tenant.name]
  const name = characters.length <= nameMax ? tenant.name : `${characters.slice(0, nameMax - 1).join('')}…`
  const box = (content: string, fold = 'white-space: nowrap'): string =>
    `{ content: ${content}; font: 9pt system-ui, sans-serif; color: #5b6470; ${fold}; }`
  return `@page {
  margin: 22mm 16mm 20mm;
  @top-left ${box(cssText(`Evidence of isolation: ${name}`), 'overflow-wrap: anywhere')}
  @top-right ${box(cssText(generatedAt))}
  @bottom-left ${box(cssText(`${tenant.slug}, ${tenant.id}`))}
  @bottom-right ${box("counter(page) ' / ' counter(pages)")}
}
`
}

/** A string of CSS: whatever is no letter or digit by its number (CSS Syntax 3, §4.3.7), so that no name ends the string or the element. */
function cssText(text: string): string {
  return `"${text.toWellFormed().replace(/[^A-Za-z0-9]/gu, (character) => `\\${character.codePointAt(0)?.toString(16)} `)}"`
}

/** Names come from customers, and findings from databases. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}

const style = `
:root { color-scheme: light; --ok: #1a6b3c; --bad: #a01c1c; --quiet: #5b6470; --line: #d9dde2; }
body { font: 16px/1.55 system-ui, sans-serif; color: #16191d; max-width: 50rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { font-size: 1.9rem; margin: 0 0 1rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; border-top: 1px solid var(--line); padding-top: 1.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; } dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.summary { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; padding: 0; margin: 1.25rem 0; } .summary b { font-size: 1.25rem; }
article { margin: 0 0 1rem; break-inside: avoid; } article p { margin: 0; }
.mark { display: inline-block; width: 1.4rem; height: 1.4rem; line-height: 1.4rem; text-align: center; border-radius: 50%; color: #fff; background: var(--quiet); font-size: .85rem; font-weight: 700; }
.passed .mark { background: var(--ok); } .failed .mark { background: var(--bad); } .failed > p:first-child { color: var(--bad); font-weight: 600; }
.summary .passed b { color: var(--ok); } .summary .failed b { color: var(--bad); }
.proof, details, footer { color: var(--quiet); font-size: .85rem; margin-left: 1.75rem; } footer { margin: 3rem 0 0; border-top: 1px solid var(--line); }
details ul { margin: .25rem 0 0; padding-left: 1.1rem; overflow-wrap: anywhere; } code { font-size: .9em; overflow-wrap: anywhere; }
@media print {
  body { padding: 0; max-width: none; font-size: 10.5pt; } h2 { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; } summary { list-style: none; }
}
`
