/** Names for what the OpenAPI document describes. */
import type { components, operations } from './schema'

type Schemas = components['schemas']
export type EmotionView = Schemas['EmotionView']
export type ModelView = Schemas['ModelView']
export type ExportView = Schemas['ExportView']
export type HeadView = Schemas['HeadView']
export type ReadoutView = Schemas['ReadoutView']
export type ReadoutResult = Schemas['ReadoutResult']
export type Curve = Schemas['Curve']
export type PolicyView = Schemas['PolicyView']
export type Side = PolicyView['sides'][number]
export type ExampleView = Schemas['ExampleView']
export type JobView = Schemas['JobView']
export type BatchView = Schemas['BatchView']
export type JobPage = Schemas['JobPage']
export type BaselineView = Schemas['BaselineView']
export type BaselineWithout = Schemas['BaselineWithout']
export type FittedView = Schemas['FittedView']
export type BaselineFacts = Schemas['BaselineFacts']
export type Summary = Schemas['Summary']
export type SpeechSummary = Schemas['SpeechSummary']
export type OutputPage = Schemas['OutputPage']
export type OutputView = Schemas['OutputView']
export type FileView = Schemas['FileView']
export type Written = Schemas['Written']
export type Session = Schemas['Session']
export type Timeline = Schemas['Timeline']
export type Recognition = Omit<Schemas['Recognition'], 'segments' | 'frames'>
export type Segment = Schemas['Segment']
export type ProblemDetails = Schemas['ProblemDetails']
export type Scores = NonNullable<Summary['scores']>
export type Emotion = keyof Scores
export type BatchQuery = NonNullable<operations['begin_v1_batches_post']['parameters']['query']>
export type SimilarView = Schemas['Similar']
export type ArchiveStats = Schemas['ArchiveStats']
