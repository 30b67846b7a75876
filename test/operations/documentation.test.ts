// Code, tests and documentation of operations stay in step.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { operationKinds } from '../../src/operations/operations.ts'
import { verifyCertificate } from '../../src/operations/purge-certificate.ts'
import { memoryStage } from './stage.ts'

const root = new URL('../../', import.meta.url)
const read = async (path: string) => await readFile(new URL(path, root), 'utf8')

test('every kind of operation has a file, a test and a section of the reference, and every section a kind', async () => {
  for (const kind of operationKinds) {
    await access(new URL(`src/operations/${kind}.ts`, root))
    await access(new URL(`test/operations/${kind}.test.ts`, root))
  }
  const sections = [...(await read('docs/reference/operations.md')).matchAll(/^## (.+)$/gm)].map((match) => match[1])
  assert.deepEqual(sections, [...operationKinds])
})

test('every step that an operation has is in the reference', async () => {
  const text = await read('docs/reference/operations.md')
  const { operations } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  const options = { dryRun: true, reason: 'documentation' }
  const plans = [
    await operations.onboard({ slug: 'globex', name: 'Globex' }, options),
    await operations.rename('acme', { name: 'x' }, options),
    await operations.changePlan('acme', 'pro', options),
    await operations.suspend('acme', options),
    await operations.resume('acme', options),
    await operations.offboard('acme', options),
    await operations.replace('acme', 'x/y', options),
  ]
  assert.equal(plans.length, operationKinds.length)
  const steps = plans.flatMap(({ plan }) => plan.map(({ name }) => name.replace(/^(seed|purge)-.*/, '$1-<')))
  const missing = steps.filter((step) => !text.includes(step.endsWith('<') ? `\`${step}` : `\`${step}\``))
  assert.deepEqual(missing, [])
})

test('the certificate in the guide verifies with the key beside it, and says what the guide says', async () => {
  const text = await read('docs/guides/offboarding.md')
  const block = (kind: string) => new RegExp(`^\`\`\`${kind}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)?.[1] ?? ''
  const certificate = await verifyCertificate(block('jws'), JSON.parse(block('jwk')))
  assert.deepEqual(certificate, JSON.parse(block('json')))
  assert.equal(certificate.tenant.slugSha256, createHash('sha256').update('umbrella').digest('hex'))
})
