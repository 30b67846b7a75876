// Hints: the request says by itself whose it is, wherever services have looked for that.

import { breached, held } from '../attack.ts'
import { asked, bodyOf, withQuery } from './asking.ts'
import { believes, believesBody } from './breaks.ts'
import { type HttpAttack, isRead, isWrite, leakIn, verdictOf } from './http-attack.ts'
import type { HttpStage } from './http-stage.ts'

/** Names of headers in which services look for a tenant, or for who asks. */
const headers = [
  'x-tenant-id',
  'x-tenant',
  'x-tenant-slug',
  'x-org-id',
  'x-organization-id',
  'x-account-id',
  'x-customer-id',
  'x-workspace-id',
  'x-user-id',
  'x-impersonate',
  'x-forwarded-user',
  'x-forwarded-tenant',
  'x-partywall-tenant',
  'x-hasura-tenant-id',
  'tenant-id',
  'tenant',
]
const hosts = ['host', 'x-forwarded-host', 'x-original-host', 'x-host', 'x-forwarded-server']
const whole: readonly (readonly [string, string, (who: string) => string])[] = [
  ['forwarded', 'forwarded', (who) => `host=${who}.localhost;proto=https`],
  ['cookie', 'cookie', (who) => `tenant=${who}; tenant_id=${who}`],
  ['referer', 'referer', (who) => `https://${who}.localhost/`],
  ['origin', 'origin', (who) => `https://${who}.localhost`],
]

function hinted(id: string, header: string, words: string, value: (stage: HttpStage) => string): HttpAttack {
  return {
    id: `http.hint.${id}`,
    tries: `${words} in ${header}`,
    on: isRead,
    mutation: believes(`the header ${header}`, (request, stage) => request.headers[header] === value(stage)),
    run: async (stage, target) => {
      const said = value(stage)
      const leak = leakIn(
        stage,
        await asked(stage, target, target.victimPath, { headers: { [header]: said } }),
        `${said} ${target.victimId}`,
      )
      return leak === undefined ? held : breached(leak)
    },
  }
}

/** Another tenant, named in a header. */
export const byHint: readonly HttpAttack[] = [
  ...headers.flatMap((header) => [
    hinted(`${header}.id`, header, 'another tenant’s id', ({ stage }) => stage.victim.id),
    hinted(`${header}.slug`, header, 'another tenant’s name', ({ stage }) => stage.victim.slug),
  ]),
  ...hosts.map((header) =>
    hinted(`${header}.subdomain`, header, 'another tenant’s subdomain', ({ stage }) => `${stage.victim.slug}.localhost`),
  ),
  ...whole.map(([id, header, value]) => hinted(id, header, 'another tenant', ({ stage }) => value(stage.victim.slug))),
]

const queryNames = [
  'tenant',
  'tenant_id',
  'tenantId',
  'org',
  'organization_id',
  'account',
  'workspace',
  'customer_id',
  'user_id',
  'owner',
  'as',
  'id',
  'filter[tenant_id]',
  '_tenant',
]
/** Another tenant, named in the query. */
export const byQuery: readonly HttpAttack[] = queryNames.map((name) => ({
  id: `http.query.${name.replaceAll(/[^a-zA-Z_]/g, '-')}`,
  tries: `another tenant as ${name} in the query`,
  on: isRead,
  mutation: believes(`${name} in the query`, (request, { stage }) => request.path.includes(`${name}=${stage.victim.id}`)),
  run: async (stage, target) =>
    verdictOf(stage, await asked(stage, target, withQuery(target.victimPath, name, stage.stage.victim.id)), target.victimId),
}))

const bodyNames = ['tenant_id', 'tenantId', 'tenant', 'organizationId', 'account_id', 'owner', '__proto__', 'id']
/** Another tenant, named in the body. */
export const byBody: readonly HttpAttack[] = bodyNames.map((name) => ({
  id: `http.body.${name}`,
  tries: `another tenant as ${name} in the body`,
  on: (target) => isWrite(target) && target.route.method !== 'DELETE',
  mutation: believesBody(name),
  run: async (stage, target) => {
    const value = name === 'id' ? target.victimId : stage.stage.victim.id
    // JSON.parse makes a property of its own of __proto__; an object literal would not.
    const extra = JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`) as object
    const body = Object.defineProperties({ ...(bodyOf(target) as object) }, Object.getOwnPropertyDescriptors(extra))
    const answer = await asked(stage, target, target.hasId ? target.ownPath : target.victimPath, { body })
    return verdictOf(stage, answer, `${value} ${target.victimId}`)
  },
}))
