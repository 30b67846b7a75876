// On paper: whose report it is and of when stands on each page, whatever the customer is called.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { printPage } from '../../src/cli/print-page.ts'
import { buildReport } from '../../src/evidence/build-report.ts'
import { htmlOf } from '../../src/evidence/html.ts'
import { chromiumBinary } from '../support/chromium.ts'
import { about, acme, goodFacts } from '../support/evidence-facts.ts'
import { pdfPages } from '../support/pdf-text.ts'
import { sourceFiles } from '../support/source-files.ts'

const pageOf = (name: string): string =>
  htmlOf({ report: buildReport(goodFacts({ tenant: { ...acme, name } }), about), text: 'a.b.c', kid: 'k' })

test('the customer, the moment and the identifier stand on each printed page, beside its number', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-print-test-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const names: Readonly<Record<string, string>> = {
    'Acme & Söhne "Nord"': 'Acme & Söhne "Nord" ',
    'O’Neill \\ Co. {} Łódź': 'O’Neill \\ Co. {} Łódź ',
    [`Long ${'x'.repeat(200)}`]: `Long ${'x'.repeat(44)}… `,
  }
  for (const [name, shown] of Object.entries(names)) {
    const file = join(directory, 'report.pdf')
    await printPage(pageOf(name), file, { browser: chromiumBinary(), path: '' })
    const pages = pdfPages(file)
    assert.ok(pages.length >= 2, `${pages.length} pages`)
    for (const [index, page] of pages.entries()) {
      const lines = page
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '')
      assert.ok(lines[0]!.startsWith(`Evidence of isolation: ${shown}`), `page ${index + 1} begins with ${lines[0]}`)
      assert.ok(lines[0]!.endsWith(about.now.toISOString()), `page ${index + 1} begins with ${lines[0]}`)
      assert.match(lines.at(-1)!, new RegExp(`^acme, ${acme.id} +${index + 1} ?/ ?${pages.length}$`))
    }
  }
})

test('no name gets out of where it stands: neither of its string nor of the style', () => {
  const names = ['</style><script>alert(1)</script>', '"; } body { display: none } @page { x: "', 'a\\', 'a\n"', "'*/", '\u{10FFFF}\uD800']
  for (const name of names) {
    const page = pageOf(name)
    const styles = [...page.matchAll(/<style>(.*?)<\/style>/gs)]
    assert.equal(styles.length, 1)
    const [, content] = /@top-left \{ content: (.*?); font/s.exec(styles[0]![1]!)!
    assert.match(content!, /^"(?:[A-Za-z0-9]|\\[0-9a-f]{1,6} )*"$/)
    assert.doesNotMatch(page, /alert\(1\)<|<script>/)
  }
})

test('a PDF is made by the command line alone, as the guide says: no program gets a browser with its fleet', async () => {
  const users = (await sourceFiles(['src'])).filter(({ text }) => text.includes("/print-page.ts'")).map(({ path }) => path)
  assert.deepEqual(users, ['src/cli/verbs/evidence.ts'])
  const guide = await readFile(new URL('../../docs/guides/evidence.md', import.meta.url), 'utf8')
  assert.match(guide, /`evidencePage` makes the page of it\.\s+It makes no PDF: that is the command line's/)
})
