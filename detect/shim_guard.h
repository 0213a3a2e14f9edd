/* What the shims of OpenCV have in common, for C++ alone: pictures as matrices,
 * and exceptions that end as texts. */
#ifndef CZ_DETECT_SHIM_GUARD_H
#define CZ_DETECT_SHIM_GUARD_H

#include <cstdio>
#include <exception>

#include <opencv2/core.hpp>

#include "detect/opencv_shim.h"

namespace
{

inline cv::Mat view(const cz_cv_picture *picture)
{
    return cv::Mat(static_cast<int>(picture->height),
                   static_cast<int>(picture->width), CV_8UC3, picture->pixels,
                   picture->step);
}

inline void explain(char *why, const char *text) noexcept
{
    if (why)
        std::snprintf(why, CZ_CV_WHY_BYTES, "%s", text);
}

/* Runs `work`; what it throws becomes false and a text. */
template <typename Work> bool guarded(char *why, Work work) noexcept
{
    try {
        return work();
    } catch (const cv::Exception &e) {
        explain(why, e.err.c_str());
    } catch (const std::exception &e) {
        explain(why, e.what());
    } catch (...) {
        explain(why, "unknown error");
    }
    return false;
}

} // namespace

#endif
