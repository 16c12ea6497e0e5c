/** An S3 service that a suite can open stores on. */
export interface S3Server {
  /** `s3://BUCKET`. */
  readonly url: string;
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  close(): Promise<void>;
}
