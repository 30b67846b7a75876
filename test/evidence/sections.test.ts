// What a fact is worth in words: a sentence never says more than what was seen.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildReport } from '../../src/evidence/build-report.ts'
import type { EvidenceFacts } from '../../src/evidence/facts.ts'
import type { EvidenceStatement } from '../../src/evidence/report.ts'
import { about, goodFacts, seen } from '../support/evidence-facts.ts'

function said(id: string, over: Partial<EvidenceFacts>): EvidenceStatement {
  const { sections } = buildReport(goodFacts(over), about)
  return sections.flatMap(({ statements }) => statements).find((each) => each.id === id)!
}

test('that the application’s login has no path is said only where it has none', () => {
  const staff = { role: 'postgres', canLogIn: true, path: 'superuser' }
  const good = said('roles-with-a-path', { roles: seen([staff]) })
  assert.equal(good.verdict, 'told')
  assert.match(good.text, /^1 login of the database server has a path .* The application’s own login has none\.$/)
  const bad = said('roles-with-a-path', { roles: seen([staff, { role: 'partywall_app', canLogIn: true, path: 'application: superuser' }]) })
  assert.equal(bad.verdict, 'failed')
  assert.match(bad.text, /A login of the application is among them\.$/)
  assert.doesNotMatch(bad.text, /has none/)
})
