// The adapter for NestJS, on Express or on Fastify: their adapters admit; here are only the application's answers and its decorator.

import {
  type ArgumentsHost,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common'
import type { Response } from 'express'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { requestIdOf } from '../core/request-id.ts'
import { ConfigurationError, RouteNotFoundError } from '../errors.ts'
import { expressTenancy } from './express.ts'
import { tenancyPlugin } from './fastify.ts'
import { type Admission, HttpDoor, type HttpDoorOptions } from './http.ts'

export interface NestTenancyOptions extends HttpDoorOptions {
  /** Answer errors and unknown routes with problem+json. Default true; false if the application's own filters do so. */
  readonly handleErrors?: boolean | undefined
}

/**
 * Every controller of the application serves verified members of one active tenant, or is public. Call it before `listen()` or
 * `init()`, so that it comes before the parsers.
 *
 * @example
 * ```ts
 * const app = await NestFactory.create(AppModule)
 * await useTenancy(app, { tenancy, identity: oidc({ … }), hints: [header()] })
 * await app.listen(3000)
 * ```
 *
 * @throws {ConfigurationError}
 */
export async function useTenancy(app: INestApplication, options: NestTenancyOptions): Promise<void> {
  const { handleErrors = true } = options
  const type = app.getHttpAdapter().getType()
  if (type === 'fastify')
    await (app.getHttpAdapter().getInstance() as FastifyInstance).register(tenancyPlugin, { ...options, handleErrors: false })
  else if (type === 'express') app.use(expressTenancy(options).admit)
  else throw new ConfigurationError(`partywall/nest knows Nest on Express and on Fastify, and this is "${type}".`)
  if (handleErrors) app.useGlobalFilters(new TenancyExceptionFilter(new HttpDoor(options)))
}

/**
 * Who asks, and for which tenant, as a parameter of a handler: `list(@CurrentTenancy() { tenant }: Admission)`. Undefined on public
 * paths.
 */
export const CurrentTenancy: () => ParameterDecorator = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Admission | undefined =>
    context.switchToHttp().getRequest<{ readonly tenancy?: Admission | undefined }>().tenancy,
)

class TenancyExceptionFilter implements ExceptionFilter {
  readonly #door: HttpDoor

  constructor(door: HttpDoor) {
    this.#door = door
  }

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp()
    const response = http.getResponse<Response | FastifyReply>()
    const isReply = 'code' in response
    // Both adapters have told it to the client already.
    const requestId = response.getHeader('x-request-id') ?? requestIdOf({ headers: [] })
    const { status, headers, body } = this.#door.problem(routeError(exception) ?? exception, String(requestId), statusOf(exception))
    if (isReply) void response.code(status).headers(headers).send(JSON.stringify(body))
    else if (!response.headersSent) response.status(status).set(headers).end(JSON.stringify(body))
  }
}

// What `@Catch()` does, without the syntax.
Catch()(TenancyExceptionFilter)

/** Nest's own exceptions, by what they have: there may be several copies of the class. */
function statusOf(exception: unknown): number | undefined {
  const { getStatus } = (exception ?? {}) as { readonly getStatus?: unknown }
  return typeof getStatus === 'function' ? Number(getStatus.call(exception)) : undefined
}

/** The router's own 404 is of no handler. */
function routeError(exception: unknown): RouteNotFoundError | undefined {
  if (statusOf(exception) !== 404 || !(exception instanceof Error) || !/^Cannot [A-Z]+ \//.test(exception.message)) return undefined
  return new RouteNotFoundError('No route has this method and path.', { cause: exception })
}
