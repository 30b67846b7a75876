// partywall dev: the application on a PostgreSQL of its own, with demo tenants, after a live self-check.

import { resolve } from 'node:path'
import { findConfig } from '../config-file.ts'
import { loadApplication } from '../dev/application.ts'
import { type DevEnvironment, startDevEnvironment } from '../dev/environment.ts'
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
    const application = await loadApplication(resolve(terminal.cwd, app))
    const plans = (await findConfig(terminal.cwd))?.config.plans
    const environment = await startDevEnvironment({
      application,
      directory: resolve(terminal.cwd, directory),
      host,
      port,
      plans,
      report: (line) => (output.isJson ? terminal.note(line) : terminal.print(`  ${line}`)),
    })
    output.lines(greeting(environment, application.probe.collection), environment.description)
    await stopped
    if (!output.isJson) terminal.print('Stopping …')
    await environment.close()
  },
})

function greeting({ description, tenants, wall }: DevEnvironment, collection: string): readonly string[] {
  const { url } = description
  const [first, second] = tenants
  const attempts = wall.flatMap((pair) => pair.attempts)
  const refused = attempts.filter(({ outcome }) => outcome === 'refused').length
  return [
    '',
    'The wall, tried just now over HTTP and in SQL, by every tenant at every other one:',
    ...wall.map((pair) => `  ${pair.attacker.padEnd(10)} at ${pair.victim.padEnd(10)} ${held(pair.attempts)}`),
    `  ${refused} of ${attempts.length} attempts refused, ${attempts.length - refused} leaked.`,
    '',
    ...tenants.map(({ tenant, token }) => `${tenant.slug} (${tenant.plan}: ${tenant.placement.isolation})\n  ${token}`),
    '',
    'Try, with any of them:',
    `  curl ${url}${collection} -H 'authorization: Bearer ${first?.token}'`,
    `  curl ${url}${collection} -H 'x-api-key: ${second?.apiKey}' -H 'content-type: application/json' -d '{"title":"Hello"}'`,
    `  curl ${url}${collection} -H 'authorization: Bearer ${first?.token}' -H 'x-tenant-id: ${second?.tenant.slug}'   # 404: not yours`,
    '',
    `Serving on ${url}. Ctrl-C stops.`,
  ]
}

function held(attempts: DevEnvironment['wall'][number]['attempts']): string {
  const refused = attempts.filter(({ outcome }) => outcome === 'refused').length
  return `${refused === attempts.length ? 'refused' : 'LEAKED '}  ${refused} of ${attempts.length}`
}
