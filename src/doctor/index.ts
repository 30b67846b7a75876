// What the doctor found: judged against a baseline, and printed. The looking is `fleet.doctor()`.

export type { CheckFacts, DoctorEvent, Unseen } from '../core/doctor-event.ts'
export type { DoctorFinding, DoctorLevel, DoctorPlace } from '../core/doctor-finding.ts'
export { blindSpots } from './blind-spots.ts'
export { githubAnnotations } from './github-annotations.ts'
export { collectReport, type DoctorReport, type ReportOptions, type SilencedFinding } from './report.ts'
export { reportLines } from './report-lines.ts'
export { type SarifOptions, sarifOf } from './sarif.ts'
export { parseSilences, type Silence, type WrittenSilence, writeSilences } from './silences.ts'
