// partywall dev: the application on a PostgreSQL of its own, with demo tenants, after a live self-check.

import { dirname, resolve } from 'node:path'
import type { Placement } from '../../core/placement.ts'
import { findConfig } from '../config-file.ts'
import { loadApplication } from '../dev/application.ts'
import type { DemoTenant } from '../dev/demo-tenants.ts'
import { type DevEnvironment, startDevEnvironment } from '../dev/environment.ts'
import { proofLines } from '../dev/proof.ts'
import { verb } from '../verb.ts'

const directoryDefault = '.partywall'

export const dev = verb({
  summary: 'Run an application with an embedded PostgreSQL and demo tenants',
  details: `An embedded PostgreSQL, partywall, the application's migrations, four demo tenants (in shared tables, in a schema, a database and on a server of their own), a self-check that really tries to cross the wall, and the service. Everything is kept in ${directoryDefault}/ between runs; delete it to start afresh. Ctrl-C stops it. While it runs, ${directoryDefault}/dev.json says where everything is.`,
  flags: {
    app: {
      kind: 'text',
      value: 'module',
      about: 'exports name, migrations, probe, seed() and start(): the documents example has one',
      required: true,
    },
    port: { kind: 'number', min: 0, max: 65_535, about: 'where to serve (default: a free port)' },
    host: { kind: 'text', about: 'where to serve (default: 127.0.0.1)' },
    directory: { kind: 'text', about: 'where everything is kept', default: directoryDefault },
  },
  examples: ['partywall dev --app src/application.ts', 'partywall dev --app src/application.ts --port 3000'],
  async run({ flags, output, terminal }) {
    const { app, directory, host, port } = flags
    // From here on: a signal during the start stops what has been started, after that step.
    const stopped = terminal.untilStopped()
    const file = resolve(terminal.cwd, app)
    const application = await loadApplication(file)
    const config = await findConfig(dirname(file))
    const environment = await startDevEnvironment({
      application,
      file,
      directory: resolve(terminal.cwd, directory),
      host,
      port,
      config,
      report: (line) => (output.isJson ? terminal.note(line) : terminal.print(`  ${line}`)),
    })
    output.lines(greeting(environment, application.probe.collection), environment.description)
    await stopped
    if (!output.isJson) terminal.print('Stopping …')
    await environment.close()
  },
})

function greeting({ description, tenants, wall, proof }: DevEnvironment, collection: string): readonly string[] {
  const { url } = description
  const attempts = wall.flatMap((pair) => pair.attempts)
  const refused = attempts.filter(({ outcome }) => outcome === 'refused').length
  return [
    '',
    'The wall, tried just now over HTTP and in SQL, by every tenant at every other one, and by each while it was suspended:',
    ...wall.map(({ attacker, victim, attempts: tried }) => {
      const who = attacker === victim ? `${attacker.padEnd(10)} suspended    ` : `${attacker.padEnd(10)} at ${victim.padEnd(10)}`
      return `  ${who} ${held(tried)}`
    }),
    `  ${refused} of ${attempts.length} attempts refused, ${attempts.length - refused} leaked.`,
    ...proofLines(proof),
    ...tenants.flatMap((each, at) => requests(`${url}${collection}`, each, tenants[(at + 1) % tenants.length]!)),
    '',
    `Serving on ${url}. Ctrl-C stops.`,
  ]
}

/** The same three for each, ready to be pasted. */
function requests(url: string, { tenant, token, apiKey }: DemoTenant, other: DemoTenant): readonly string[] {
  return [
    '',
    `${tenant.slug} (plan ${tenant.plan}) lives ${home(tenant.placement)}`,
    `  token ${token}`,
    `  curl ${url} -H 'authorization: Bearer ${token}'`,
    `  curl ${url} -H 'x-api-key: ${apiKey}' -H 'content-type: application/json' -d '{"title":"Hello from ${tenant.slug}"}'`,
    `  curl ${url} -H 'x-api-key: ${apiKey}' -H 'x-tenant-id: ${other.tenant.slug}'   # 404: not yours`,
  ]
}

function home({ isolation, server, database, schema }: Placement): string {
  switch (isolation) {
    case 'pooled':
      return `in the shared tables (pooled): database ${database}`
    case 'schema':
      return `in a schema of its own (schema): ${schema} in the database ${database}`
    case 'database':
      return `in a database of its own (database): ${database}`
    case 'server':
      return `on a server of its own (server): ${server}`
  }
}

function held(attempts: DevEnvironment['wall'][number]['attempts']): string {
  const refused = attempts.filter(({ outcome }) => outcome === 'refused').length
  return `${refused === attempts.length ? 'refused' : 'LEAKED '}  ${refused} of ${attempts.length}`
}
