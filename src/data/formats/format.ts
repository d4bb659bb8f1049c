/** @file The interface of data set formats. */

import type { CaptionedImage } from "../captioned-image.js";
import type { ReportFault } from "../finding.js";
import type { FolderFiles } from "../folder-files.js";

export interface DataFormat {
  /** Name of the format for messages. */
  readonly title: string;
  /** What the files are recognised by (completes "because it has ..."); undefined if they have another format. */
  readonly recognise: (files: FolderFiles) => string | undefined;
  /**
   * Reads the images with their captions, in the same order on every machine. Parts that cannot be used are reported and
   * skipped. `note` is given what was chosen among several possibilities, and what was skipped on purpose.
   *
   * @throws InputError if nothing can be used or the files are ambiguous
   */
  readonly read: (files: FolderFiles, report: ReportFault, note: (text: string) => void) => Promise<CaptionedImage[]>;
}
