// partywall evidence and verify-evidence, against a fleet with one tenant.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { EvidenceReport, EvidenceStatement } from '../../src/evidence/report.ts'
import { chromiumBinary } from '../support/chromium.ts'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'

describe('partywall evidence', () => {
  let stage: CliFleet

  before(async () => {
    stage = await cliFleet()
    await stage.fleet.secrets.put('server/main/admin', stage.catalog.urls.superuser)
    await stage.fleet.tenants.onboard({ slug: 'acme', name: 'Acme', plan: 'free' })
  })

  after(async () => await stage?.strike())

  test('writes a page that the key verifies, and nothing else does', async () => {
    const { file, failed } = await stage.json<{ file: string; failed: number }>('evidence', 'acme', '--to', 'acme.html', '--json')
    assert.equal(failed, 0)
    const page = await readFile(file, 'utf8')
    assert.match(page, /Can your engineers see our data\?/)
    const key = await stage.run('certificate', 'key')
    await writeFile(join(stage.directory, 'keys.jwks'), key.out)
    const verified = await stage.json('verify-evidence', 'acme.html', '--key', 'keys.jwks', '--json')
    assert.equal(verified['valid'], 'yes')
    assert.equal(verified['tenant'], 'acme')
    await writeFile(join(stage.directory, 'forged.html'), page.replaceAll('Acme', 'Acne'))
    const refused = await stage.run('verify-evidence', 'forged.html', '--key', 'keys.jwks')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /does not show what was signed/)
  })

  test('prints a PDF by a real browser, with what was signed beside it', async () => {
    const browser = chromiumBinary()
    const { file, signed } = await stage.json<{ file: string; signed: string }>(
      'evidence',
      'acme',
      '--format',
      'pdf',
      '--to',
      'acme.pdf',
      '--browser',
      browser,
    )
    const pdf = await readFile(file)
    assert.equal(pdf.subarray(0, 5).toString(), '%PDF-')
    assert.ok(pdf.length > 20_000, `${pdf.length} bytes`)
    assert.ok(pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)!.length >= 2, 'more than one page')
    const key = await stage.run('certificate', 'key')
    await writeFile(join(stage.directory, 'keys.jwks'), key.out)
    assert.equal((await stage.json('verify-evidence', signed, '--key', 'keys.jwks'))['valid'], 'yes')
    const without = await stage.runOver(
      { env: { ...stage.env, PATH: stage.directory } },
      'evidence',
      'acme',
      '--format',
      'pdf',
      '--to',
      'none.pdf',
    )
    assert.notEqual(without.code, 0)
    assert.match(without.err, /printed by Chromium or Chrome, and none is in the PATH/)
    const broken = await stage.run('evidence', 'acme', '--format', 'pdf', '--to', 'none.pdf', '--browser', '/bin/false')
    assert.match(broken.err, /did not print the page/)
    await assert.rejects(readFile(join(stage.directory, 'none.pdf')), { code: 'ENOENT' })
  })

  test('ticks no box of attacks when it was given no report of them', async () => {
    await stage.json('evidence', 'acme', '--format', 'json', '--to', 'plain.json')
    const boxes = await boxesIn(join(stage.directory, 'plain.json'))
    for (const id of [
      'tenant-from-session',
      'tenant-validated',
      'api-keys',
      'cache-keys',
      'search-scoped',
      'isolated-tests',
      'cross-tenant-tests',
    ]) {
      assert.equal(boxes.get(id)?.verdict, 'not_present', id)
      assert.match(boxes.get(id)!.proof.details.join(), /No report of attacks was given/, id)
    }
  })

  test('ticks the boxes that the isolation kit has proved, and fails when it has leaked', async () => {
    const attempts = [
      { name: 'an API key with another tenant in X-Tenant-ID', door: 'HTTP', outcome: 'refused' },
      { name: 'an API key with one character changed', door: 'HTTP', outcome: 'refused' },
      { name: 'search with a quote and an OR', door: 'HTTP', outcome: 'leaked' },
    ]
    await writeFile(join(stage.directory, 'kit.json'), JSON.stringify({ at: new Date().toISOString(), attempts }))
    const { code, out } = await stage.run('evidence', 'acme', '--attacks', 'kit.json', '--format', 'json', '--to', 'acme.json', '--json')
    assert.equal(code, 1)
    assert.match(out.join(''), /"failed":[1-9]/)
    const boxes = await boxesIn(join(stage.directory, 'acme.json'))
    assert.equal(boxes.get('api-keys')?.verdict, 'passed')
    assert.equal(boxes.get('search-scoped')?.verdict, 'failed')
    assert.equal(boxes.get('tenant-from-session')?.verdict, 'not_seen')
    assert.equal(boxes.get('job-context')?.verdict, 'not_present')
  })

  test('tells attacks as of when they were tried, and ticks nothing by those from before the time that it tells of', async () => {
    const attempts = [{ name: 'an API key with one character changed', door: 'HTTP', outcome: 'refused' }]
    const boxOf = async (days: number) => {
      const at = new Date(Date.now() - days * 86_400_000).toISOString()
      await writeFile(join(stage.directory, 'old.json'), JSON.stringify({ at, attempts }))
      await stage.run('evidence', 'acme', '--attacks', 'old.json', '--since', '30d', '--format', 'json', '--to', 'old-acme.json')
      return { at, proof: (await boxesIn(join(stage.directory, 'old-acme.json'))).get('cross-tenant-tests')! }
    }
    const fresh = await boxOf(29)
    assert.deepEqual([fresh.proof.verdict, fresh.proof.proof.at], ['passed', fresh.at])
    assert.equal((await boxOf(31)).proof.verdict, 'not_seen')
  })

  test('refuses a report of attacks that is none, and a duration that is none', async () => {
    await writeFile(join(stage.directory, 'none.json'), '{"attempts":[{"name":1}]}')
    assert.match((await stage.run('evidence', 'acme', '--attacks', 'none.json')).err, /is no report of attacks/)
    await writeFile(join(stage.directory, 'undated.json'), '{"attempts":[]}')
    assert.match((await stage.run('evidence', 'acme', '--attacks', 'undated.json')).err, /is no report of attacks/)
    assert.equal((await stage.run('evidence', 'acme', '--since', 'always')).code, 2)
    assert.equal((await stage.run('verify-evidence', 'none.json')).code, 2)
  })
})

async function boxesIn(file: string): Promise<ReadonlyMap<string, EvidenceStatement>> {
  const { report } = JSON.parse(await readFile(file, 'utf8')) as { report: EvidenceReport }
  return new Map(report.sections.flatMap(({ statements }) => statements.map((each) => [each.id, each])))
}
