// npm run load [-- --seconds 20 --clients 32 --tenants 12]
// Soaks the documents service, the one of `partywall dev` beside if it runs, or one of its own: many tenants, mixed requests
// over HTTP, tenants suspended and resumed at random, clients that hang up. Every answer is checked for isolation.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { loadApplication } from '../src/cli/dev/application.ts'
import { startDevEnvironment } from '../src/cli/dev/environment.ts'
import { findDevFile } from '../src/cli/dev-file.ts'
import { type SoakTarget, soak, summary } from './load/soak.ts'

const application = new URL('../examples/documents/src/application.ts', import.meta.url)

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    clients: { type: 'string', default: '32' },
    tenants: { type: 'string', default: '12' },
    requests: { type: 'string', default: '1000000' },
  },
})

const target = await openTarget()
try {
  console.log(`Soaking ${target.url} for ${values.seconds} s with ${values.clients} clients of ${values.tenants} tenants …`)
  const result = await soak(target, {
    seconds: wholeNumber('seconds', 3_600),
    clients: wholeNumber('clients', 1_000),
    tenants: wholeNumber('tenants', 100),
    requestsMax: wholeNumber('requests', 100_000_000),
  })
  for (const line of summary(result)) console.log(line)
  if (result.violations.length > 0) process.exitCode = 1
} finally {
  await target.close()
}

async function openTarget(): Promise<SoakTarget & { close(): Promise<void> }> {
  const running = await findDevFile(process.cwd())
  if (running !== undefined) return { ...targetOf(running), close: async () => {} }
  const directory = await mkdtemp(join(tmpdir(), 'partywall-load-'))
  try {
    const environment = await startDevEnvironment({ application: await loadApplication(application.pathname), directory })
    const close = async () => {
      await environment.close()
      await rm(directory, { recursive: true, force: true })
    }
    return { ...targetOf(environment.description), close }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

function targetOf({
  url,
  database,
}: {
  readonly url: string
  readonly database: { readonly gatekeeper: string; readonly admin: string }
}): SoakTarget {
  return { url, catalog: database.gatekeeper, admin: database.admin }
}

function wholeNumber(name: keyof typeof values, max: number): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= 1 && number <= max) return number
  throw new RangeError(`--${name} is ${values[name]}; it must be a whole number from 1 to ${max}.`)
}
