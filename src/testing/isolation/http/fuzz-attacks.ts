// Fuzzing: ids and hints of the victim in spellings that chance makes. The same seed makes the same ones.

import { breached, held } from '../attack.ts'
import { breaksOnRefusal, type HttpMutation } from './breaks.ts'
import { Chance, misspelled } from './chance.ts'
import { type HttpAttack, isItem, isRead, leakIn } from './http-attack.ts'
import type { HttpStage, HttpTarget } from './http-stage.ts'

const triesPerRoute = 24

type Ask = (
  stage: HttpStage,
  target: HttpTarget,
  chance: Chance,
) => { readonly path: string; readonly headers?: Readonly<Record<string, string>>; readonly said: string }

function fuzzed(id: string, tries: string, on: HttpAttack['on'], mutation: HttpMutation, ask: Ask): HttpAttack {
  return {
    id: `http.fuzz.${id}`,
    tries,
    on,
    mutation,
    run: async (stage, target) => {
      const chance = new Chance(stage.seed, id, target.name)
      for (let attempt = 0; attempt < triesPerRoute; attempt++) {
        const { path, headers, said } = ask(stage, target, chance)
        const leak = leakIn(stage, await stage.ask({ method: target.route.method, path, headers }), `${said} ${target.victimId}`)
        if (leak !== undefined) return breached(`${JSON.stringify(said)}: ${leak}`)
      }
      return held
    },
  }
}

/** What a header can carry: the rest never leaves a client. */
function headerText(text: string): string {
  return text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '').trim()
}

/** A service that folds what it compares. */
function folds(header: string): HttpMutation {
  const folded = (text: string): string =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]/g, '')
  return {
    what: `the service folds ${header} before it compares, and believes it`,
    door: (stage) => (request) => {
      const said = folded(request.headers[header] ?? '')
      const isNamed = [stage.stage.victim.id, stage.stage.victim.slug].some((name) => said.includes(folded(name)))
      return stage.door(isNamed ? { ...request, headers: { ...request.headers, ...stage.victim } } : request)
    },
  }
}

/** Attacks by chance. */
export const fuzzAttacks: readonly HttpAttack[] = [
  fuzzed('id', 'an item of another tenant, its id in spellings that chance makes', isItem, breaksOnRefusal, (_stage, target, chance) => {
    const said = misspelled(chance, target.victimId).toWellFormed()
    return { path: target.victimPath.replace(encodeURIComponent(target.victimId), encodeURIComponent(said)), said }
  }),
  fuzzed(
    'query',
    'another tenant’s id, in spellings that chance makes, in the query',
    isRead,
    breaksOnRefusal,
    ({ stage }, target, chance) => {
      const said = misspelled(chance, chance.pick([stage.victim.id, stage.victim.slug, target.victimId])).toWellFormed()
      const name = chance.pick([...target.route.query, 'tenant', 'id', 'q'])
      return { path: `${target.ownPath}?${encodeURIComponent(name)}=${encodeURIComponent(said)}`, said }
    },
  ),
  ...['x-tenant-id', 'host', 'x-forwarded-host'].map((header) =>
    fuzzed(
      `hint.${header}`,
      `another tenant, in spellings that chance makes, in ${header}`,
      isRead,
      folds(header),
      ({ stage }, target, chance) => {
        const name = chance.pick([stage.victim.id, stage.victim.slug])
        const said = headerText(misspelled(chance, header === 'x-tenant-id' ? name : `${name}.localhost`))
        return { path: target.victimPath, headers: { [header]: said === '' ? '-' : said }, said }
      },
    ),
  ),
]
